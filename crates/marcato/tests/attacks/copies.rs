//! The same bytes again, at once and later: answered again, run once.

use std::collections::BTreeSet;

use marcato_core::EndState;
use marcato_protocol::message::{CERTIFICATE, Kind, Message};

use crate::support::forge::Forge;
use crate::support::wire::Wire;
use crate::support::*;

fn is_receipt(message: &Message) -> bool {
    message.headers.kind() == Some(Kind::Receipt)
}

/// All that a node signed and sealed, with what belongs to it: the bytes of the body and the headers
/// beside them, which the broker's clients write in any order. The certificate that comes along
/// where no hub is known is no part of it.
fn answer(message: Message) -> Message {
    let pairs = message.headers.iter().filter(|(name, _)| *name != CERTIFICATE);
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sorted: BTreeSet<(String, String)> = pairs.collect();
    Message { headers: sorted.into_iter().collect(), ..message }
}

/// Sends the message once more and compares the receipt with the first, byte for byte.
async fn assert_same_again(wire: &mut Wire, message: &Message, first: &Message) {
    wire.send(message).await;
    let again = answer(wire.hear_kind(Kind::Receipt).await);
    assert_eq!(&again, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_copies_at_once_and_more_after_a_restart() {
    let mut fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let order = Forge::new(&fleet, "service restart service=nginx", &["web1"]).to("web1");
    for _ in 0..10 {
        wire.send(&order).await;
    }
    let first = answer(wire.hear_kind(Kind::Receipt).await);
    assert_same_again(&mut wire, &order, &first).await;
    assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);

    fleet.stop_node("web1").await;
    fleet.start_node("web1").await;
    // Sent unasked by a node that does not know whether it went out.
    assert_eq!(answer(wire.hear_kind(Kind::Receipt).await), first);
    for _ in 0..3 {
        assert_same_again(&mut wire, &order, &first).await;
    }
    assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);
    let receipts = fleet.middle.seen(is_receipt);
    assert!(receipts.into_iter().all(|receipt| answer(receipt) == first));
}

/// A broker that delivers everything three times: the operator sees one end of each node, and each
/// host was restarted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_three_times() {
    let fleet = Fleet::of(&["db1", "web1", "web2"]).await;
    fleet.middle.rule(|message| vec![message.clone(), message.clone(), message]);
    let report = fleet.run("service restart service=nginx", "").await;
    assert_eq!(line(&report), "db1 Ok absent, web1 Ok, web2 Ok");
    assert_eq!((report.refused.len(), report.unexpected.len()), (0, 0));
    for node in ["web1", "web2"] {
        assert_eq!(fleet.pid(node, "nginx"), NGINX_PID + 1);
    }
}

/// The id of one order on another: it is not the same, and is not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_order_of_the_same_id() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let first = Forge::new(&fleet, "service restart service=ssh", &["web1"]);
    let message = first.to("web1");
    wire.send(&message).await;
    assert_eq!(wire.receipt(&message).await.state, EndState::Ok);
    let mut second = Forge::new(&fleet, "service restart service=nginx", &["web1"]);
    second.order.id = first.order.id;
    let message = second.to("web1");
    wire.send(&message).await;
    assert_eq!(wire.receipt(&message).await.state, EndState::Rejected);
    super::assert_nginx_untouched(&fleet, &mut wire, "web1").await;
}

/// A true read that was kept back, and one that a node's restart overtook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_from_before_the_restart() {
    let mut fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let order = Forge::new(&fleet, "package status package=openssl", &["web1"]).to("web1");
    wire.send(&order).await;
    assert_eq!(wire.receipt(&order).await.state, EndState::Ok);
    fleet.stop_node("web1").await;
    fleet.start_node("web1").await;
    fleet.until_registered().await;
    let (state, reason) = super::refusal(&mut wire, &order).await;
    assert_eq!((state, reason.code()), (EndState::Rejected, "restarted"));
}
