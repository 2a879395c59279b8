//! Attacks by whoever holds the broker, a host, another operator's key or the registry: nothing runs
//! that should not, no answer counts that should not, and each is named by its reason.
//!
//! What was done is read off the simulated hosts themselves, never out of answers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod copies;
mod garbage;
mod orders;
mod receipts;
mod registry;
mod tampered;

use marcato_core::{EndState, Reason};
use marcato_protocol::message::Message;
use support::forge::Forge;
use support::wire::Wire;
use support::{Fleet, NGINX_PID};

/// Sends a message and waits for the node's refusal.
async fn refusal(wire: &mut Wire, message: &Message) -> (EndState, Reason) {
    wire.send(message).await;
    let outer = wire.receipt(message).await;
    (outer.state, outer.reason.unwrap())
}

/// Waits until the node has done everything that it was sent before, and will ever do of it: a true
/// restart of another service stands last in its queue. Then nginx still is as it was.
async fn assert_nginx_untouched(fleet: &Fleet, wire: &mut Wire, node: &str) {
    let last = Forge::new(fleet, "service restart service=ssh", &[node]).to(node);
    wire.send(&last).await;
    let outer = wire.receipt(&last).await;
    assert_eq!((outer.state, outer.reason), (EndState::Ok, None), "the node works");
    assert_eq!(fleet.pid(node, "nginx"), NGINX_PID, "nothing ran that should not");
}
