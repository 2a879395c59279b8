//! An order that is sent to one node after another: who has not had a turn gets nothing, and each
//! node's wait counts from its own copy.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use kit::{Bench, Node, START, nodes};
use marcato_client::core::{Event, Stopped};
use marcato_core::{Changed, EndState, Exit, Reason, Span};
use marcato_protocol::order::{Audience, Received};
use marcato_protocol::progress::Phase;

const VALID: Span = Span::from_secs(600);

fn release(bench: &mut Bench, fleet: &[Node]) {
    let nodes = fleet.iter().map(|node| node.identity.clone()).collect();
    bench.step(Event::Release(nodes));
}

#[test]
fn one_order_for_all_is_sent_to_whose_turn_it_is() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut bench = Bench::paced(&fleet, true, VALID);
    assert!(bench.sent.is_empty());
    assert_eq!((bench.job.counts().held, bench.job.waiting(9).len()), (3, 0));
    bench.after(30_000);
    release(&mut bench, &fleet[..1]);
    release(&mut bench, &fleet[..1]);
    assert_eq!((bench.sent.len(), bench.job.counts().held), (1, 2));
    bench.message(fleet[0].ok(&bench.order(&fleet[0])));
    release(&mut bench, &fleet[1..]);
    assert_eq!(bench.sent.len(), 3);
    for message in &bench.sent {
        let received = Received::parse(message).unwrap();
        assert_eq!(message.body, bench.sent[0].body, "signed once");
        assert!(matches!(received.step.audience, Audience::Set(set) if set.count == 3));
        assert_eq!(received.order.start_by, START + VALID);
    }
    for node in &fleet[1..] {
        bench.message(node.ok(&bench.order(node)));
    }
    bench.assert_done();
    assert_eq!((bench.report().exit(), bench.report().stopped), (Exit::Ok, None));
}

/// What is released before the key has signed is sent when it has.
#[test]
fn a_turn_before_the_signature() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::paced_unsigned(&fleet, VALID);
    release(&mut bench, &fleet[1..]);
    assert!(bench.sent.is_empty());
    bench.sign();
    assert_eq!((bench.copies(&fleet[0]).len(), bench.copies(&fleet[1]).len()), (0, 1));
}

#[test]
fn each_wait_counts_from_its_own_copy() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::paced(&fleet, true, VALID);
    release(&mut bench, &fleet[..1]);
    bench.after(4000);
    release(&mut bench, &fleet[1..]);
    let copies = |bench: &Bench| [0, 1].map(|at: usize| bench.copies(&fleet[at]).len());
    bench.after(999);
    assert_eq!(copies(&bench), [1, 1]);
    bench.after(1);
    assert_eq!(copies(&bench), [2, 1], "once more at half of its wait");
    bench.after(5000);
    let silent = (EndState::NoResponse, Some(Reason::Silent), Changed::Unknown);
    assert_eq!(bench.end(&fleet[0]), silent);
    assert_eq!(
        bench.node(&fleet[0]).may_start_until,
        Some(START + VALID + Span::from_secs(30)),
        "the order is valid for the others' sake"
    );
    assert_eq!(copies(&bench), [2, 2]);
    bench.message(fleet[1].progress(&bench.order(&fleet[1]), Phase::Running));
    bench.after(4000);
    assert!(!bench.done, "a change that began has its run limit");
    bench.message(fleet[1].ok(&bench.order(&fleet[1])));
    bench.assert_done();
    assert_eq!(copies(&bench), [2, 2]);
}

#[test]
fn a_read_ends_at_its_own_wait() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::paced(&fleet, false, VALID);
    release(&mut bench, &fleet[..1]);
    bench.message(fleet[0].progress(&bench.order(&fleet[0]), Phase::Running));
    bench.after(3000);
    release(&mut bench, &fleet[1..]);
    bench.message(fleet[0].progress(&bench.order(&fleet[0]), Phase::Running));
    bench.after(2000);
    let running = (EndState::TimedOut, Some(Reason::StillRunning), Changed::False);
    assert_eq!(bench.end(&fleet[0]), running);
    bench.after(2999);
    assert!(!bench.done);
    bench.after(1);
    bench.assert_done();
    let silent = (EndState::NoResponse, Some(Reason::Silent), Changed::False);
    assert_eq!(bench.end(&fleet[1]), silent);
}

#[test]
fn who_is_left_when_it_stops_was_not_sent_it() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut bench = Bench::paced(&fleet, true, VALID);
    release(&mut bench, &fleet[..2]);
    let failed = fleet[0].receipt(&bench.order(&fleet[0]), EndState::Failed, Some(Reason::Action));
    bench.message(failed);
    let why = Stopped::Node { node: fleet[0].identity.clone() };
    bench.step(Event::Stop(why.clone()));
    bench.step(Event::Stop(Stopped::Time));
    release(&mut bench, &fleet[2..]);
    let skipped = (EndState::Skipped, Some(Reason::NotSent), Changed::False);
    assert_eq!(bench.end(&fleet[2]), skipped);
    assert!(!bench.done, "web2 is waited for");
    bench.message(fleet[1].ok(&bench.order(&fleet[1])));
    bench.assert_done();
    assert_eq!(bench.copies(&fleet[2]).len(), 0);
    assert_eq!((bench.report().exit(), bench.report().stopped), (Exit::Failed, Some(why)));
}

#[test]
fn nothing_is_sent_once_the_operator_went() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::paced(&fleet, true, VALID);
    release(&mut bench, &fleet[..1]);
    bench.step(Event::Interrupted);
    release(&mut bench, &fleet[1..]);
    bench.step(Event::Connected);
    bench.assert_done();
    assert_eq!(bench.sent.len(), 1);
    assert_eq!(bench.end(&fleet[1]).1, Some(Reason::NotSent));
    assert_eq!(bench.end(&fleet[0]).1, Some(Reason::Silent));
}

/// Whoever delivers a copy early, or speaks for a node too soon, gives nobody a turn.
#[test]
fn what_comes_before_its_turn() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut bench = Bench::paced(&fleet, true, VALID);
    release(&mut bench, &fleet[..1]);
    bench.nobody(&fleet[1]);
    bench.step(Event::Connected);
    assert_eq!((bench.job.counts().held, bench.copies(&fleet[1]).len()), (2, 0));
    // A signed end stands, however the order got there.
    bench.message(fleet[2].ok(&bench.order(&fleet[0])));
    assert_eq!(bench.end(&fleet[2]).0, EndState::Ok);
    assert_eq!(bench.job.counts().held, 1);
}

/// A node that runs a read before its turn is waited for no longer than the others.
#[test]
fn who_runs_it_before_its_turn() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::paced(&fleet, false, VALID);
    release(&mut bench, &fleet[..1]);
    let order = bench.order(&fleet[0]);
    bench.after(4000);
    bench.message(fleet[1].progress(&order, Phase::Running));
    assert_eq!(bench.job.counts().held, 0);
    bench.after(4999);
    assert!(!bench.done);
    bench.after(1);
    bench.assert_done();
    assert_eq!(bench.end(&fleet[1]).1, Some(Reason::WentSilent));
    assert_eq!(bench.copies(&fleet[1]).len(), 0);
}

/// A link that is gone and back: what was sent is sent once more, and nothing else.
#[test]
fn a_new_connection_gives_nobody_a_turn() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::paced(&fleet, true, VALID);
    release(&mut bench, &fleet[..1]);
    bench.step(Event::NotPublished(kit::subjects().node(&fleet[0].identity)));
    bench.step(Event::Connected);
    assert_eq!(bench.copies(&fleet[0]).len(), 2);
    assert_eq!(bench.copies(&fleet[1]).len(), 0);
    bench.after(10_000);
    assert_eq!(bench.end(&fleet[0]).1, Some(Reason::Silent));
}
