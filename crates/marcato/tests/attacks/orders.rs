//! Orders that nobody may give: wrong keys, other audiences, other fleets, other times.

use marcato_core::{EndState, Reason};
use marcato_protocol::message::{Message, PROOF};
use marcato_protocol::order::{Audience, Order, Set, SignedOrder};
use marcato_protocol::sshsig::Namespace;

use super::{assert_nginx_untouched, refusal};
use crate::support::forge::{Forge, kept_back, subjects};
use crate::support::wire::Wire;
use crate::support::*;

const RESTART: &str = "service restart service=nginx";

fn rejected(reason: Reason) -> (EndState, Reason) {
    (EndState::Rejected, reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_may_not_sign() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let new = || Forge::new(&fleet, RESTART, &["web1"]);
    let check = async |wire: &mut Wire, forge: Forge, reason| {
        let message = forge.to("web1");
        assert_eq!(refusal(wire, &message).await, rejected(reason), "{reason}");
    };
    let stranger = 66;
    check(&mut wire, Forge { signer: stranger, ..new() }, Reason::KeyNotAllowed).await;
    // Known, and not that caller's.
    check(&mut wire, Forge { signer: ANN, ..new() }, Reason::KeyNotAllowed).await;
    check(&mut wire, Forge { signer: AUTHORITY, ..new() }, Reason::KeyNotAllowed).await;
    let mut unknown = new();
    unknown.order.caller = "eve".parse().unwrap();
    check(&mut wire, unknown, Reason::UnknownCaller).await;
    // The right key, asked to sign something of another kind.
    let heartbeat = Forge { namespace: Namespace::Heartbeat, ..new() };
    check(&mut wire, heartbeat, Reason::Signature).await;
    // A node's key is no operator's.
    let message = new().to_signed_with("web1", &fleet.secret_key("web1"));
    assert_eq!(refusal(&mut wire, &message).await, rejected(Reason::KeyNotAllowed));
    // Another operator's true order that policy does not allow.
    let mut ann = Forge { signer: ANN, ..new() };
    ann.order.caller = "ann".parse().unwrap();
    let message = ann.to("web1");
    assert_eq!(refusal(&mut wire, &message).await, (EndState::Denied, Reason::Policy));
    assert_nginx_untouched(&fleet, &mut wire, "web1").await;
}

/// Somebody holds a true order of the operator's and signs its bytes himself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_under_a_true_order() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let held = kept_back(&fleet, RESTART, "").await.remove(0);
    let signature = key(66).sign(Namespace::Order, &held.body);
    let mut message = SignedOrder::new(held.body.clone(), signature).message(
        held.subject.clone(),
        "x".into(),
        None,
    );
    message.headers.push(PROOF, held.headers.get(PROOF).unwrap().to_owned());
    assert_eq!(refusal(&mut wire, &message).await, rejected(Reason::KeyNotAllowed));
    assert_nginx_untouched(&fleet, &mut wire, "web1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_the_signer_did_not_choose() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let held = kept_back(&fleet, RESTART, "hagroup=g1").await.remove(0);
    let to_web2 = |message: &Message| Message {
        subject: subjects().node(&"web2".parse().unwrap()),
        ..message.clone()
    };
    // To another node, with somebody else's proof; and with none.
    let elsewhere = to_web2(&held);
    assert_eq!(refusal(&mut wire, &elsewhere).await, rejected(Reason::OutsideSet));
    let mut bare = Forge::new(&fleet, RESTART, &["web1"]).to("web2");
    bare.subject = elsewhere.subject.clone();
    assert_eq!(refusal(&mut wire, &bare).await, rejected(Reason::OutsideSet));
    // The set made wider, with a proof that fits the new root: the root is signed.
    let wide = Forge {
        order: Order::parse(&held.body).unwrap(),
        ..Forge::new(&fleet, RESTART, &["web1", "web2"])
    };
    for node in ["web1", "web2"] {
        let own = wide.to(node);
        let signature = held.headers.get("Mco-Signature").unwrap();
        let mut forged = own.clone();
        forged.headers = own
            .headers
            .iter()
            .map(|(name, value)| {
                let value = if name == "Mco-Signature" { signature } else { value };
                (name.to_owned(), value.to_owned())
            })
            .collect();
        assert_eq!(refusal(&mut wire, &forged).await, rejected(Reason::Signature));
    }
    // The same root said to have more leaves, with the old proof.
    let mut order = Order::parse(&held.body).unwrap();
    if let Some(Audience::Set(Set { count, .. })) =
        order.step.as_mut().map(|step| &mut step.audience)
    {
        *count += 1;
    }
    let counted = Message { body: order.to_bytes(), ..held.clone() };
    assert_eq!(refusal(&mut wire, &counted).await, rejected(Reason::OutsideSet));
    for node in ["web1", "web2"] {
        assert_nginx_untouched(&fleet, &mut wire, node).await;
    }
    // To everybody at once: the one that was chosen does it, and no other.
    let all = Message { subject: subjects().orders(), ..held };
    wire.send(&all).await;
    let (_, outer) = wire.receipt_of(&all, &"web1".parse().unwrap()).await;
    assert_eq!(outer.state, EndState::Ok);
    assert_nginx_untouched(&fleet, &mut wire, "web2").await;
}

/// Signed by the operator himself, by a client that does not keep the rules.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_for_whoever_matches() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let all = Forge::new(&fleet, RESTART, &[]).to_all();
    wire.send(&all).await;
    for node in ["web1", "web2"] {
        let (_, outer) = wire.receipt_of(&all, &node.parse().unwrap()).await;
        assert_eq!((outer.state, outer.reason), (EndState::Rejected, Some(Reason::Audience)));
    }
    // To one node's own subject it is no more.
    let one = Message {
        subject: subjects().node(&"web1".parse().unwrap()),
        ..Forge::new(&fleet, RESTART, &[]).to_all()
    };
    assert_eq!(refusal(&mut wire, &one).await, rejected(Reason::Audience));
    for node in ["web1", "web2"] {
        assert_nginx_untouched(&fleet, &mut wire, node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_late_too_early_elsewhere() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let new = || Forge::new(&fleet, RESTART, &["web1"]);
    // Held back until its time and the skew are over: 60 s to start, 30 s of skew.
    for (ago, reason) in [(95, Reason::Expired), (3600, Reason::Expired), (-40, Reason::Clock)] {
        let message = new().issued_ago(ago).to("web1");
        assert_eq!(refusal(&mut wire, &message).await, rejected(reason), "issued {ago} s ago");
    }
    let mut other = new();
    other.order.collective = "prod".parse().unwrap();
    assert_eq!(refusal(&mut wire, &other.to("web1")).await, rejected(Reason::Collective));
    let mut newer = new();
    newer.order.v = 2;
    assert_eq!(refusal(&mut wire, &newer.to("web1")).await, rejected(Reason::Version));
    assert_nginx_untouched(&fleet, &mut wire, "web1").await;
    // Held back for less: it may start.
    let held = new().issued_ago(80).to("web1");
    wire.send(&held).await;
    // But for the restart of another service that was signed later, this one would be too old.
    assert_eq!(wire.receipt(&held).await.state, EndState::Ok);
    assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 2);
}

/// An older restart of the same service, let go after a newer one has run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_back_until_a_later_one_has_run() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let old = Forge::new(&fleet, RESTART, &["web1"]).issued_ago(45).to("web1");
    let new = Forge::new(&fleet, RESTART, &["web1"]).to("web1");
    wire.send(&new).await;
    assert_eq!(wire.receipt(&new).await.state, EndState::Ok);
    assert_eq!(refusal(&mut wire, &old).await, rejected(Reason::Superseded));
    assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_host_of_the_same_name() {
    let mut fleet = Fleet::of(&["web1", "web2"]).await;
    assert_eq!(line(&fleet.run("rpcutil ping", "").await), "web1 Ok, web2 Ok");
    let held = kept_back(&fleet, RESTART, "hagroup=g1").await.remove(0);
    fleet.rebuild("web1").await;
    fleet.until_registered_with_keys().await;
    let mut wire = Wire::tap(&fleet).await;
    // An order to the host that was is none to the one that is.
    assert_eq!(refusal(&mut wire, &held).await, rejected(Reason::OutsideSet));
    // And who knew the one that was is told by name.
    let report = fleet.run(RESTART, "").await;
    assert_eq!(line(&report), "web1 Skipped key-changed, web2 Ok");
    assert_eq!(report.exit(), marcato_core::Exit::Silent);
    assert!(of(&report, "web1").message.contains("SHA256:"), "{report:?}");
    assert_nginx_untouched(&fleet, &mut wire, "web1").await;
    assert_eq!(fleet.pid("web2", "nginx"), NGINX_PID + 1);
}

/// Many bad orders: few are answered, and a true one is done all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_rate_limited() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let begun = std::time::Instant::now();
    for _ in 0..300 {
        let bad = Forge { signer: 66, ..Forge::new(&fleet, RESTART, &["web1"]) };
        wire.send(&bad.to("web1")).await;
    }
    let good = Forge::new(&fleet, RESTART, &["web1"]).to("web1");
    wire.send(&good).await;
    let mut answers = 0;
    loop {
        let message = wire.hear_kind(marcato_protocol::message::Kind::Receipt).await;
        let text = String::from_utf8_lossy(&message.body).into_owned();
        if !text.contains("\"key-not-allowed\"") {
            break;
        }
        answers += 1;
    }
    let per_second = u64::from(marcato_core::limits::node::REFUSALS_PER_SECOND);
    let most = per_second * (begun.elapsed().as_secs() + 2);
    assert!((1..=most).contains(&answers), "{answers} answers");
    assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);
}

/// Answers go where the signed bytes lead, whatever the message says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_to_is_ignored() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let evil = "mco.lab.reply.eve.0.web1";
    let honest = Forge::new(&fleet, RESTART, &["web1"]).to("web1");
    let message = Message { reply: Some(evil.to_owned()), ..honest };
    wire.send(&message).await;
    assert_eq!(wire.receipt(&message).await.state, EndState::Ok);
    assert_eq!(fleet.middle.seen(|m| m.subject == evil), []);
}
