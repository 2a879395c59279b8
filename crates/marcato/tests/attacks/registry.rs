//! A hub that lies, and nodes that lie to it: a client believes certificates alone, and names what
//! does not fit.

use marcato_client::core::RefusedWhy;
use marcato_core::{EndState, Exit, Identity};
use marcato_node::shell::now;
use marcato_protocol::certificate::SignedText;
use marcato_protocol::digest::Digest;
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::question::{Answer, Found, Listed};
use marcato_protocol::registration::Heartbeat;
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::version::Spoken;

use crate::support::forge::subjects;
use crate::support::wire::Wire;
use crate::support::*;

const RESTART: &str = "service restart service=nginx";

/// The hub's answers become others.
fn lie(fleet: &Fleet, how: impl Fn(&mut Found) + Send + 'static) {
    fleet.middle.rule(move |message| {
        if message.headers.kind() != Some(Kind::Answer) {
            return vec![message];
        }
        let mut answer = Answer::parse(&message).unwrap();
        how(&mut answer.found);
        vec![answer.message(message.subject)]
    });
}

fn listed(found: &mut Found) -> Option<&mut Vec<Listed>> {
    match found {
        Found::Nodes(nodes) => Some(nodes),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_names_another_key() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    lie(&fleet, |found| {
        if let Some(nodes) = listed(found) {
            nodes[0].key = Digest::of(b"the hub's own");
        }
    });
    // Nothing proves the key.
    let report = fleet.run(RESTART, "").await;
    assert_eq!(line(&report), "web1 Skipped no-certificate, web2 Ok");
    // Who knew the node is told that its key has changed.
    fleet.middle.pass();
    assert_eq!(line(&fleet.run("rpcutil ping", "").await), "web1 Ok, web2 Ok");
    lie(&fleet, |found| {
        if let Some(nodes) = listed(found) {
            nodes[0].key = Digest::of(b"the hub's own");
        }
    });
    let report = fleet.run(RESTART, "").await;
    assert_eq!(line(&report), "web1 Skipped key-changed, web2 Ok");
    fleet.assert_untouched(&["web1"]);
    assert_eq!(fleet.pid("web2", "nginx"), NGINX_PID + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_hides_a_node_or_invents_one() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    assert_eq!(line(&fleet.run("rpcutil ping", "").await), "web1 Ok, web2 Ok");
    lie(&fleet, |found| {
        if let Some(nodes) = listed(found) {
            nodes.remove(0);
        }
    });
    let report = fleet.run("package status package=openssl", "").await;
    let vanished: Vec<&str> = report.vanished.iter().map(Identity::as_str).collect();
    assert_eq!((line(&report).as_str(), vanished), ("web2 Ok", vec!["web1"]));
    lie(&fleet, |found| {
        if let Some(nodes) = listed(found) {
            let spoken = Spoken::RELEASE;
            nodes.push(Listed {
                node: "web9".parse().unwrap(),
                key: Digest::of(b"nobody's"),
                spoken,
                down: None,
                read_only: false,
                not_capable: false,
            });
        }
    });
    let report = fleet.run(RESTART, "").await;
    assert_eq!(line(&report), "web1 Ok, web2 Ok, web9 Skipped no-certificate");
    assert_eq!(report.exit(), Exit::Silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_calls_nodes_down_that_are_not() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    fleet.introduce("operator");
    lie(&fleet, |found| {
        for node in listed(found).into_iter().flatten() {
            node.down = Some(now());
        }
    });
    for words in [RESTART, "rpcutil ping"] {
        let report = fleet.run(words, "").await;
        assert_eq!((line(&report).as_str(), report.exit()), ("web1 Ok, web2 Ok", Exit::Ok));
    }
}

/// A certificate of an authority that somebody made himself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_certificates() {
    const OWN: u8 = 99;
    let mut fleet = Fleet::of(&["web1", "web2"]).await;
    // From the hub, for a node's name and key.
    lie(&fleet, |found| {
        let Found::Certificates(texts) = found else { return };
        for text in texts {
            let signed = SignedText::parse(text).unwrap();
            let fleet = "lab".parse().unwrap();
            let true_one = signed.verify(key(AUTHORITY).public(), &fleet).unwrap();
            if true_one.identity.as_str() == "web1" {
                let bytes = true_one.to_bytes();
                let signature = key(OWN).sign(Namespace::Join, &bytes);
                *text = SignedText::new(bytes, signature).to_string();
            }
        }
    });
    let report = fleet.run(RESTART, "").await;
    assert_eq!(line(&report), "web1 Skipped no-certificate, web2 Ok");
    fleet.assert_untouched(&["web1"]);
    fleet.middle.pass();

    // From a node that nobody let in: it is not even registered.
    fleet.join("web9", OWN);
    fleet.start_node("web9").await;
    let is_registration = |message: &Message| {
        message.headers.kind() == Some(Kind::Registration) && message.subject.ends_with("web9")
    };
    fleet.middle.until_seen(1, is_registration).await;
    let mut client = fleet.client().await;
    let found = client.find("").await;
    let names: Vec<&str> = found.nodes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["web1", "web2"]);

    // Where no hub is, it answers whoever asks, and counts for nothing.
    fleet.stop_hub().await;
    let report = fleet.run("rpcutil ping", "").await;
    assert_eq!((line(&report).as_str(), report.expected), ("web1 Ok, web2 Ok", None));
    assert_eq!(refused(&report), [("web9".to_owned(), RefusedWhy::NoCertificate)]);
    let report = fleet.run(RESTART, "").await;
    assert_eq!(line(&report), "web1 Ok, web2 Ok");
    fleet.assert_untouched(&["web9"]);
}

/// A node speaks to the hub in another's name, and repeats what another said before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nodes_cannot_tell_the_hub() {
    let mut fleet = Fleet::of(&["web1", "web2"]).await;
    let is_from = |node: &'static str, kind| {
        move |m: &Message| m.headers.kind() == Some(kind) && m.subject.ends_with(node)
    };
    fleet.stop_node("web1").await;
    let is_beat = is_from("web1", Kind::Heartbeat);
    let beats = fleet.middle.until_seen(2, is_beat).await;
    let leaving = beats.last().unwrap().clone();
    assert!(String::from_utf8_lossy(&leaving.body).contains("\"leaving\":true"));
    fleet.start_node("web1").await;
    fleet.until_registered().await;

    let mut wire = Wire::tap(&fleet).await;
    // What it said when it left, once more.
    wire.send(&leaving).await;
    // Web 1 says that web 2 leaves.
    let web2: Identity = "web2".parse().unwrap();
    let beat = is_from("web2", Kind::Heartbeat);
    let last = fleet.middle.until_seen(1, beat).await.pop().unwrap();
    let mut heartbeat: Heartbeat = serde_json::from_slice(&last.body).unwrap();
    (heartbeat.leaving, heartbeat.at) = (true, now());
    wire.send(&heartbeat.message(subjects().registry(&web2), &fleet.secret_key("web1"))).await;
    // Its own registration, as another's.
    let own = fleet.middle.until_seen(1, is_from("web1", Kind::Registration)).await.remove(0);
    wire.send(&Message { subject: subjects().registry(&web2), ..own }).await;

    let mut client = fleet.client().await;
    let found = client.find("").await;
    let all = [("web1", None), ("web2", None)].map(|(name, down)| (name.parse().unwrap(), down));
    assert_eq!(found.nodes, all);
    let report = client.run(client.task("rpcutil ping", "")).await;
    assert!(report.nodes.iter().all(|node| node.state == EndState::Ok), "{report:?}");
}
