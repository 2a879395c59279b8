//! Nodes of the version before and of the one after, beside this one's: the same code with its list
//! of spoken versions moved, over real bytes. It works, or it is refused by name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use marcato_core::{EndState, Exit, Reason};
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::order::Received;
use marcato_protocol::version::Spoken;
use support::forge::Forge;
use support::wire::Wire;
use support::*;

const fn spoken(oldest: u32, newest: u32) -> Spoken {
    Spoken { oldest, newest }
}

/// Nodes that speak these versions, in the order of their names.
async fn fleet_of(nodes: &[(&str, Spoken)]) -> Fleet {
    let mut fleet = Fleet::bare(&brokers::Kind::Ours).await;
    fleet.start_hub();
    for (name, spoken) in nodes {
        fleet.join(name, AUTHORITY);
        fleet.start_speaking(name, *spoken).await;
    }
    fleet.until_registered().await;
    fleet
}

/// What a client that speaks these versions reports of a read and of a change, and the version of
/// the orders that it signed.
async fn check(fleet: &Fleet, client: Spoken, [read, change]: [&str; 2], version: u32) {
    let name = format!("speaks{}to{}", client.oldest, client.newest);
    let before = fleet.middle.seen(is_order).len();
    fleet.introduce(&name);
    let mut operator = fleet.client_speaking(&name, client).await;
    for (words, want) in [("rpcutil ping", read), ("service restart service=nginx", change)] {
        let report = operator.run(operator.task(words, "")).await;
        // A read reaches strangers too, and nobody waits for them: whether the node's own word comes
        // before the end of the others is left to chance, and both words name it.
        let named = line(&report).replace("Rejected version", "Skipped version");
        assert_eq!(named, want, "{client:?} {words}");
        let all_ok = report.nodes.iter().all(|node| node.state == EndState::Ok);
        assert_eq!(report.exit() == Exit::Ok, all_ok);
    }
    let orders = fleet.middle.seen(is_order);
    assert!(orders.len() > before);
    for order in &orders[before..] {
        assert_eq!(Received::parse(order).unwrap().order.v, version);
    }
}

fn is_order(message: &Message) -> bool {
    message.headers.kind() == Some(Kind::Order)
}

/// The release that follows keeps this version: everything works, both ways round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_that_share_a_version_work() {
    let nodes = [("web1", spoken(0, 1)), ("web2", spoken(1, 1)), ("web3", spoken(1, 2))];
    let fleet = fleet_of(&nodes).await;
    let all = "web1 Ok, web2 Ok, web3 Ok";
    for client in [spoken(0, 1), spoken(1, 1), spoken(1, 2)] {
        check(&fleet, client, [all; 2], 1).await;
    }
    assert_eq!(fleet.pid("web3", "nginx"), NGINX_PID + 3);
}

/// The newest that all speak is signed, and later versions have the same bytes but for the number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_is_upgraded_speaks_the_newer() {
    let fleet = fleet_of(&[("web1", spoken(1, 2)), ("web2", spoken(2, 3))]).await;
    check(&fleet, spoken(1, 2), ["web1 Ok, web2 Ok"; 2], 2).await;
}

/// Where no hub says which versions there are, a client that is ahead is refused by every node; a
/// change, which is sent to nobody then, names them all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_hub_too_each_is_named() {
    let mut fleet = Fleet::bare(&brokers::Kind::Ours).await;
    for name in ["web1", "web2"] {
        fleet.join(name, AUTHORITY);
        fleet.start_node(name).await;
    }
    fleet.until_connected().await;
    let mut client = fleet.client_speaking("ahead", spoken(1, 2)).await;
    let report = client.run(client.task("service restart service=nginx", "")).await;
    assert_eq!(line(&report), "web1 Skipped version, web2 Skipped version");
    assert_eq!((report.expected, report.exit()), (None, Exit::NoAnswer));
    fleet.assert_untouched(&["web1", "web2"]);
}

/// Moved by one without a version in common: named, and nothing of it is run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_by_name() {
    let nodes = [
        ("web1", spoken(0, 0)),
        ("web2", spoken(1, 1)),
        ("web3", spoken(2, 2)),
        ("web4", spoken(1, 1)),
    ];
    let fleet = fleet_of(&nodes).await;
    let named = "web1 Skipped version, web2 Ok, web3 Skipped version, web4 Ok";
    check(&fleet, Spoken::RELEASE, [named; 2], 1).await;
    // Where the client does not know better, the node itself says it, in the order's version.
    let mut wire = Wire::tap(&fleet).await;
    for node in ["web1", "web3"] {
        let order = Forge::new(&fleet, "service restart service=nginx", &[node]).to(node);
        wire.send(&order).await;
        let outer = wire.receipt(&order).await;
        let got = (outer.v, outer.state, outer.reason);
        assert_eq!(got, (1, EndState::Rejected, Some(Reason::Version)), "{node}");
    }
    fleet.assert_untouched(&["web1", "web3"]);
}
