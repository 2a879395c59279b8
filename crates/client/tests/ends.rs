//! Every end state of a node, with its reason, as the client's accounts come to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use kit::{Bench, Node, nodes};
use marcato_client::core::{Event, Waiting};
use marcato_core::{Changed, EndState, Exit, Reason, Span};
use marcato_protocol::message::Message;
use marcato_protocol::order::{Audience, Received};
use marcato_protocol::progress::Phase;

/// What nodes sign is what the report says, for every state that they may sign.
#[test]
fn a_receipt_ends_an_account() {
    let check = |state: EndState, reason: Option<Reason>, exit: Exit| {
        let fleet = nodes(&["web1"]);
        let mut bench = Bench::change(&fleet);
        let receipt = fleet[0].receipt(&bench.order(&fleet[0]), state, reason);
        bench.message(receipt);
        bench.assert_done();
        let node = bench.node(&fleet[0]);
        assert_eq!((node.state, node.reason, node.signed), (state, reason, true));
        assert_eq!(node.message, "I am web1", "the inner part was opened");
        assert_eq!(bench.report().exit(), exit, "{state}");
    };
    check(EndState::Ok, None, Exit::Ok);
    check(EndState::Ok, Some(Reason::Unchanged), Exit::Ok);
    check(EndState::Ok, Some(Reason::Absent), Exit::Nothing);
    check(EndState::Failed, Some(Reason::Action), Exit::Failed);
    check(EndState::Denied, Some(Reason::Policy), Exit::Failed);
    check(EndState::Rejected, Some(Reason::Expired), Exit::Failed);
    check(EndState::Rejected, Some(Reason::Restarted), Exit::Failed);
    check(EndState::Interrupted, Some(Reason::RunnerGone), Exit::Failed);
    check(EndState::TimedOut, Some(Reason::RunLimit), Exit::Failed);
    check(EndState::Cancelled, Some(Reason::Operator), Exit::Failed);
}

#[test]
fn a_set_is_sent_with_proofs_to_its_nodes_alone() {
    let fleet = nodes(&["db1", "web1", "web2"]);
    let bench = Bench::change(&fleet);
    assert_eq!(bench.sent.len(), 3);
    for node in &fleet {
        let copies = bench.copies(node);
        let received = Received::parse(copies[0]).unwrap();
        assert_eq!(copies.len(), 1);
        assert!(received.proof.is_some());
        assert!(matches!(received.step.audience, Audience::Set(set) if set.count == 3));
        assert_eq!(received.step.filter.agents, ["service"]);
        assert_eq!(received.order.start_by, received.order.issued + Span::from_secs(10));
    }
}

#[test]
fn a_change_that_nobody_answers_may_have_run() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::change(&fleet);
    let receipt = fleet[1].ok(&bench.order(&fleet[1]));
    bench.message(receipt);
    bench.after(4999);
    assert_eq!(bench.copies(&fleet[0]).len(), 1);
    bench.after(1);
    assert_eq!(bench.copies(&fleet[0]).len(), 2, "the same bytes are sent once more");
    assert_eq!(bench.copies(&fleet[0])[0], bench.copies(&fleet[0])[1]);
    bench.after(4999);
    assert!(!bench.done);
    bench.after(1);
    bench.assert_done();
    let end = (EndState::NoResponse, Some(Reason::Silent), Changed::Unknown);
    assert_eq!(bench.end(&fleet[0]), end);
    let until = bench.node(&fleet[0]).may_start_until;
    assert_eq!(until, Some(kit::START + Span::from_secs(40)), "start-by and the skew");
    assert_eq!(bench.copies(&fleet[0]).len(), 2, "and not again");
    assert_eq!(bench.report().exit(), Exit::Silent);
}

/// While others still answer, those that are silent may only be busy.
#[test]
fn a_second_copy_waits_for_a_pause() {
    let names: Vec<String> = (0..100).map(|i| format!("node{i:02}")).collect();
    let fleet: Vec<Node> = names.iter().map(|name| Node::new(name)).collect();
    let mut bench = Bench::change(&fleet);
    let copies = |bench: &Bench| bench.copies(&fleet[99]).len();
    bench.after(4950);
    for node in &fleet[..20] {
        bench.message(node.ok(&bench.order(node)));
        bench.after(50);
    }
    assert_eq!(copies(&bench), 1, "replies still come in");
    bench.after(100);
    assert_eq!(copies(&bench), 2);

    let mut bench = Bench::change(&fleet);
    for node in &fleet[..75] {
        bench.message(node.ok(&bench.order(node)));
        bench.after(99);
    }
    assert_eq!(copies(&bench), 1);
    bench.message(fleet[75].ok(&bench.order(&fleet[75])));
    bench.after(75);
    assert_eq!(copies(&bench), 2, "a quarter of the wait is left");
}

#[test]
fn a_read_ends_at_its_wait() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::read(&fleet);
    assert_eq!(bench.sent.len(), 1, "one message to whoever matches");
    let order = bench.sent[0].clone();
    bench.message(fleet[1].progress(&order, Phase::Running));
    bench.after(4000);
    bench.message(fleet[1].progress(&order, Phase::Running));
    bench.after(1000);
    bench.assert_done();
    let silent = (EndState::NoResponse, Some(Reason::Silent), Changed::False);
    assert_eq!(bench.end(&fleet[0]), silent);
    let running = (EndState::TimedOut, Some(Reason::StillRunning), Changed::False);
    assert_eq!(bench.end(&fleet[1]), running);
    assert_eq!(bench.node(&fleet[0]).may_start_until, None);
}

#[test]
fn a_read_that_went_silent_is_lost() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::read(&fleet);
    let order = bench.sent[0].clone();
    bench.message(fleet[0].progress(&order, Phase::Accepted));
    bench.after(5000);
    let lost = (EndState::Lost, Some(Reason::WentSilent), Changed::False);
    assert_eq!(bench.end(&fleet[0]), lost);
}

#[test]
fn a_change_is_lost_after_its_run_limit_and_silence() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    bench.message(fleet[0].progress(&order, Phase::Accepted));
    bench.after(2000);
    bench.message(fleet[0].progress(&order, Phase::Running));
    bench.after(60_000 + 4999);
    assert!(!bench.done, "the run limit of 60 s and 5 s of silence");
    bench.after(1);
    bench.assert_done();
    let lost = (EndState::Lost, Some(Reason::WentSilent), Changed::Unknown);
    assert_eq!(bench.end(&fleet[0]), lost);
    assert_eq!(bench.copies(&fleet[0]).len(), 2, "its receipt was asked for once more");
}

#[test]
fn a_change_that_still_runs_after_its_limit_says_so() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    for _ in 0..33 {
        bench.message(fleet[0].progress(&order, Phase::Running));
        bench.after(2000);
    }
    bench.assert_done();
    let running = (EndState::TimedOut, Some(Reason::StillRunning), Changed::Unknown);
    assert_eq!(bench.end(&fleet[0]), running);
    assert_eq!(bench.copies(&fleet[0]).len(), 1);
    bench.message(fleet[0].progress(&order, Phase::Running));
    assert_eq!(bench.end(&fleet[0]), running, "its word does not open the account again");
    bench.message(fleet[0].ok(&order));
    assert_eq!(bench.end(&fleet[0]), (EndState::Ok, None, Changed::False));
}

#[test]
fn what_waits_on_the_node_is_not_lost() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    for _ in 0..60 {
        bench.message(fleet[0].progress(&order, Phase::Accepted));
        bench.after(2000);
    }
    assert!(!bench.done, "queued for longer than its run limit");
    bench.message(fleet[0].ok(&order));
    bench.assert_done();
}

#[test]
fn nobody_connected_is_down_at_once() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::change(&fleet);
    bench.nobody(&fleet[0]);
    let down = (EndState::Down, Some(Reason::NotConnected), Changed::False);
    assert_eq!(bench.end(&fleet[0]), down);
    bench.message(fleet[1].ok(&bench.order(&fleet[1])));
    bench.assert_done();
    assert_eq!(bench.report().exit(), Exit::Silent);
}

#[test]
fn a_change_whose_first_copy_arrived_is_not_down() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    bench.after(5000);
    assert_eq!(bench.copies(&fleet[0]).len(), 2);
    bench.nobody(&fleet[0]);
    assert!(!bench.done, "it left after the first copy and may have begun");
    bench.after(5000);
    let end = (EndState::NoResponse, Some(Reason::Silent), Changed::Unknown);
    assert_eq!(bench.end(&fleet[0]), end);
}

#[test]
fn silent_nodes_of_a_read_are_asked_whether_they_are_connected() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut bench = Bench::read(&fleet);
    let order = bench.sent[0].clone();
    bench.after(60);
    bench.message(fleet[2].ok(&order));
    bench.after(99);
    assert!(bench.probes.is_empty(), "replies still come in");
    bench.after(1);
    let asked: Vec<&str> = bench.probes.iter().map(|probe| probe.subject.as_str()).collect();
    assert_eq!(asked, ["mco.lab.node.web1", "mco.lab.node.web2"]);
    assert!(bench.probes.iter().all(|probe| probe.body.is_empty()));
    bench.nobody(&fleet[0]);
    bench.message(fleet[1].ok(&order));
    bench.assert_done();
    assert_eq!(bench.end(&fleet[0]).0, EndState::Down);
    assert!(bench.now < kit::START + Span::from_secs(1));
}

#[test]
fn a_node_that_the_registry_calls_down_is_asked_all_the_same() {
    let fleet = nodes(&["web1", "web2"]);
    let directory = kit::directory(&fleet);
    let since = kit::START - Span::from_secs(3600);
    let mut listed: Vec<_> = fleet.iter().map(Node::listed).collect();
    listed[0].down = Some(since);
    for changes in [false, true] {
        let selection = kit::select(listed.clone(), &directory, changes);
        let mut bench = Bench::new(kit::task(changes), selection, directory.clone());
        assert_eq!(bench.probes.len(), usize::from(!changes), "a read asks at once");
        bench.message(fleet[1].ok(&bench.order(&fleet[1])));
        bench.nobody(&fleet[0]);
        bench.assert_done();
        assert_eq!(bench.node(&fleet[0]).down_since, Some(since));
        assert_eq!(bench.now, kit::START);
    }
}

#[test]
fn nobody_at_all_is_connected() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::read(&fleet);
    let subject = bench.sent[0].reply.clone().unwrap();
    bench.step(Event::NoResponders(subject));
    bench.assert_done();
    assert_eq!(bench.report().exit(), Exit::NoAnswer);
}

/// Receipts that come late replace the client's own words, and nothing else.
#[test]
fn late_receipts() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut bench = Bench::change(&fleet);
    let orders: Vec<Message> = fleet.iter().map(|node| bench.order(node)).collect();
    bench.nobody(&fleet[0]);
    bench.message(fleet[1].receipt(&orders[1], EndState::Failed, Some(Reason::Action)));
    bench.after(10_000);
    bench.assert_done();
    for (node, order) in fleet.iter().zip(&orders) {
        bench.message(node.ok(order));
    }
    assert_eq!(bench.end(&fleet[0]).0, EndState::Ok, "down was the client's word");
    assert_eq!(bench.end(&fleet[1]).0, EndState::Failed, "signed, and so it stays");
    assert_eq!(bench.end(&fleet[2]).0, EndState::Ok, "no response was the client's word");
}

/// A signed end is not moved by progress, by a broker, nor by a second receipt.
#[test]
fn a_signed_end_stays() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    bench.message(fleet[0].ok(&order));
    bench.message(fleet[0].progress(&order, Phase::Running));
    bench.message(fleet[0].receipt(&order, EndState::Failed, Some(Reason::Action)));
    bench.nobody(&fleet[0]);
    bench.after(20_000);
    assert_eq!(bench.end(&fleet[0]), (EndState::Ok, None, Changed::False));
    bench.assert_done();
}

#[test]
fn a_node_heard_after_the_wait_is_waited_for_again() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::change(&fleet);
    let (first, second) = (bench.order(&fleet[0]), bench.order(&fleet[1]));
    bench.message(fleet[1].progress(&second, Phase::Running));
    bench.after(10_000);
    assert_eq!(bench.end(&fleet[0]).0, EndState::NoResponse);
    bench.message(fleet[0].progress(&first, Phase::Running));
    assert!(bench.job.node(&fleet[0].identity).is_none(), "its account is open again");
    bench.message(fleet[0].ok(&first));
    bench.message(fleet[1].ok(&second));
    bench.assert_done();
    assert_eq!(bench.report().exit(), Exit::Ok);
}

/// Nodes that have just started refuse a read; it is signed anew for them, once.
#[test]
fn a_read_refused_by_a_young_node_is_signed_anew_once() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut bench = Bench::read(&fleet);
    let first = bench.sent[0].clone();
    let young = |node: &Node, order: &Message| {
        node.receipt(order, EndState::Rejected, Some(Reason::Restarted))
    };
    bench.message(young(&fleet[0], &first));
    bench.message(young(&fleet[1], &first));
    bench.message(fleet[2].ok(&first));
    bench.after(100);
    assert_eq!(bench.sent.len(), 3, "one copy for each of the two");
    let second = bench.order(&fleet[0]);
    let (old, new) = (Received::parse(&first).unwrap(), Received::parse(&second).unwrap());
    assert_ne!(old.order.id, new.order.id);
    assert!(new.order.issued > old.order.issued);
    bench.message(young(&fleet[0], &first));
    assert!(bench.job.node(&fleet[0].identity).is_none(), "a late copy of the first word");
    bench.message(fleet[0].ok(&second));
    bench.message(young(&fleet[1], &bench.order(&fleet[1])));
    bench.assert_done();
    assert_eq!(bench.end(&fleet[0]).0, EndState::Ok);
    assert_eq!(bench.end(&fleet[1]).1, Some(Reason::Restarted), "once only");
    assert_eq!(bench.report().orders.len(), 2);
}

/// Nodes that restart one after another are each asked once more, also while the key is at work for
/// those before; but no key is asked for ever.
#[test]
fn each_young_node_is_signed_for_once() {
    let fleet = nodes(&["web1", "web2", "web3", "web4", "web5"]);
    let mut bench = Bench::read(&fleet);
    bench.signs = false;
    let first = bench.sent[0].clone();
    let young = |node: &Node| node.receipt(&first, EndState::Rejected, Some(Reason::Restarted));
    let sign = |bench: &mut Bench| {
        let bytes = bench.to_sign.remove(0);
        let signature = kit::operator().sign(marcato_protocol::sshsig::Namespace::Order, &bytes);
        bench.step(Event::Signed(signature));
        bench.after(0);
    };
    bench.message(young(&fleet[0]));
    bench.after(50);
    // The key waits for a touch when the next one refuses.
    bench.message(young(&fleet[1]));
    bench.after(100);
    assert_eq!(bench.to_sign.len(), 1, "one question to the key at a time");
    sign(&mut bench);
    assert_eq!(bench.copies(&fleet[0]).len(), 1);
    sign(&mut bench);
    assert_eq!(bench.copies(&fleet[1]).len(), 1);
    bench.message(young(&fleet[1]));
    assert!(bench.job.node(&fleet[1].identity).is_none(), "a late copy of its first word");
    bench.message(young(&fleet[2]));
    bench.after(50);
    sign(&mut bench);
    bench.message(young(&fleet[3]));
    assert_eq!(bench.end(&fleet[3]).1, Some(Reason::Restarted), "the read was signed four times");
    for node in [&fleet[0], &fleet[1], &fleet[2]] {
        bench.message(node.ok(&bench.order(node)));
        assert_eq!(bench.end(node).0, EndState::Ok);
    }
    bench.message(fleet[4].ok(&first));
    bench.assert_done();
    assert_eq!(bench.report().orders.len(), 4);
}

#[test]
fn a_young_node_that_stays_silent_then_is_no_response() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::read(&fleet);
    let first = bench.sent[0].clone();
    bench.message(fleet[0].receipt(&first, EndState::Rejected, Some(Reason::Restarted)));
    bench.after(5050);
    bench.assert_done();
    assert_eq!(bench.end(&fleet[0]).0, EndState::NoResponse);
    bench.message(fleet[0].ok(&bench.order(&fleet[0])));
    assert_eq!(bench.end(&fleet[0]).0, EndState::Ok);
}

/// Where the key does not sign a second time, the node's own first word holds.
#[test]
fn a_read_that_cannot_be_signed_anew_ends_as_refused() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::read(&fleet);
    let first = bench.sent[0].clone();
    bench.signs = false;
    bench.message(fleet[0].receipt(&first, EndState::Rejected, Some(Reason::Restarted)));
    bench.after(100);
    bench.message(fleet[1].receipt(&first, EndState::Rejected, Some(Reason::Restarted)));
    bench.step(Event::NotSigned("declined".into()));
    bench.assert_done();
    for node in &fleet {
        assert_eq!(bench.end(node).1, Some(Reason::Restarted));
        assert!(bench.node(node).signed);
    }
    assert_eq!((bench.report().orders.len(), bench.to_sign.len()), (1, 1), "it is not asked again");
}

#[test]
fn a_wrong_clock_is_measured() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    let mut outer = fleet[0].outer(&order, EndState::Rejected, Some(Reason::Clock));
    bench.after(200);
    outer.finished = kit::START - Span::from_secs(60);
    bench.message(fleet[0].send(&order, outer, false));
    let clock = bench.node(&fleet[0]).clock.unwrap();
    assert_eq!((clock.ahead_ms, clock.within_ms), (-60_100, 100));
}

#[test]
fn interrupted_while_some_run() {
    let fleet = nodes(&["web1", "web2", "web3"]);
    let mut bench = Bench::change(&fleet);
    bench.message(fleet[0].ok(&bench.order(&fleet[0])));
    bench.message(fleet[1].progress(&bench.order(&fleet[1]), Phase::Running));
    bench.step(Event::Interrupted);
    bench.assert_done();
    assert_eq!(bench.end(&fleet[0]).0, EndState::Ok);
    let running = (EndState::TimedOut, Some(Reason::StillRunning), Changed::Unknown);
    assert_eq!(bench.end(&fleet[1]), running);
    assert_eq!(bench.end(&fleet[2]).0, EndState::NoResponse);
    assert_eq!(bench.report().exit(), Exit::Interrupted);
}

/// Whoever goes while messages wait to be sent leaves the rest untouched, and named so.
#[test]
fn interrupted_while_sending() {
    let names: Vec<String> = (0..600).map(|i| format!("node{i:04}")).collect();
    let fleet: Vec<Node> = names.iter().map(|name| Node::new(name)).collect();
    let directory = kit::directory(&fleet);
    let selection = kit::select(fleet.iter().map(Node::listed).collect(), &directory, true);
    let mut bench = Bench::start(kit::task(true), selection, directory, false);
    let bytes = bench.to_sign.remove(0);
    let signature = kit::operator().sign(marcato_protocol::sshsig::Namespace::Order, &bytes);
    bench.step(Event::Signed(signature));
    bench.step(Event::Interrupted);
    bench.assert_done();
    let report = bench.report();
    let skipped = report.nodes.iter().filter(|node| node.reason == Some(Reason::NotSent)).count();
    assert_eq!(skipped, 600 - bench.sent.len());
    assert!(skipped > 0 && !bench.sent.is_empty());
    let first = &report.nodes[0];
    assert_eq!((first.state, first.changed), (EndState::NoResponse, Changed::Unknown));
    let last = &report.nodes[599];
    assert_eq!((last.state, last.changed), (EndState::Skipped, Changed::False));
}

/// While the link was gone the second copy could not be handed over, and its node's receipt went to
/// nobody: it is asked for when the link is back, however late that is.
#[test]
fn a_receipt_that_nobody_heard_is_asked_for_when_the_link_is_back() {
    for away in [4, 60] {
        let fleet = nodes(&["web1", "web2"]);
        let mut bench = Bench::change(&fleet);
        bench.message(fleet[0].progress(&bench.order(&fleet[0]), Phase::Running));
        bench.message(fleet[1].ok(&bench.order(&fleet[1])));
        let mut before = bench.copies(&fleet[0]).len();
        for _ in 0..away {
            bench.after(1000);
            let copies = bench.copies(&fleet[0]).len();
            if copies > before {
                before = copies;
                bench.step(Event::NotPublished(kit::subjects().node(&fleet[0].identity)));
            }
        }
        assert_eq!((bench.done, before), (false, if away > 4 { 2 } else { 1 }));
        bench.step(Event::Connected);
        bench.after(0);
        assert_eq!(bench.copies(&fleet[0]).len(), before + 1, "{away} s");
        bench.message(fleet[0].ok(&bench.order(&fleet[0])));
        bench.assert_done();
        assert_eq!(bench.end(&fleet[0]).0, EndState::Ok, "{away} s");
    }
}

#[test]
fn what_was_never_handed_over_was_never_sent() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::change(&fleet);
    for node in &fleet {
        bench.step(Event::NotPublished(kit::subjects().node(&node.identity)));
    }
    bench.after(2000);
    bench.step(Event::Connected);
    bench.after(0);
    assert_eq!(bench.sent.len(), 4, "what was lost with the connection is sent again");
    bench.step(Event::NotPublished(kit::subjects().node(&fleet[0].identity)));
    bench.message(fleet[1].ok(&bench.order(&fleet[1])));
    bench.after(3000);
    bench.step(Event::NotPublished(kit::subjects().node(&fleet[0].identity)));
    bench.after(5000);
    bench.assert_done();
    let skipped = (EndState::Skipped, Some(Reason::NotSent), Changed::False);
    assert_eq!(bench.end(&fleet[0]), skipped);
}

#[test]
fn a_key_that_does_not_sign_sends_nothing() {
    let fleet = nodes(&["web1"]);
    let directory = kit::directory(&fleet);
    let selection = kit::select(vec![fleet[0].listed()], &directory, true);
    let start = || Bench::start(kit::task(true), selection.clone(), directory.clone(), false);
    let mut bench = start();
    bench.step(Event::NotSigned("declined".into()));
    let mut garbled = start();
    let other = kit::operator().sign(marcato_protocol::sshsig::Namespace::Order, b"other bytes");
    garbled.step(Event::Signed(other));
    for bench in [bench, garbled] {
        bench.assert_done();
        assert!(bench.sent.is_empty());
        assert_eq!(bench.end(&fleet[0]).1, Some(Reason::NotSent));
        assert_eq!(bench.report().exit(), Exit::NoPermission);
    }
}

/// A person who takes long to confirm gets a second chance with more room, not an expired order.
#[test]
fn a_late_signature_is_asked_for_once_more() {
    let fleet = nodes(&["web1"]);
    let directory = kit::directory(&fleet);
    let selection = kit::select(vec![fleet[0].listed()], &directory, true);
    let mut bench = Bench::start(kit::task(true), selection, directory, false);
    let sign = |bytes: &[u8]| {
        Event::Signed(kit::operator().sign(marcato_protocol::sshsig::Namespace::Order, bytes))
    };
    bench.after(9000);
    let first = bench.to_sign.remove(0);
    bench.step(sign(&first));
    assert!(bench.sent.is_empty());
    bench.after(20_000);
    let second = bench.to_sign.remove(0);
    bench.step(sign(&second));
    assert_eq!(bench.sent.len(), 1);
    let received = Received::parse(&bench.sent[0]).unwrap();
    assert!(received.order.start_by >= bench.now + Span::from_secs(10));
    bench.after(10_000);
    bench.assert_done();
    let until = bench.node(&fleet[0]).may_start_until;
    assert_eq!(until, Some(received.order.start_by + Span::from_secs(30)));
}

/// What a node says that it waits for is shown as long as it is waited for.
#[test]
fn what_a_node_says_of_itself() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    let waits = |bench: &Bench| bench.job.waits(&fleet[0].identity);
    let says = |text: &str| Some(Waiting::Running(text.to_owned()));
    assert_eq!(waits(&bench), Some(Waiting::Silent));
    bench.message(fleet[0].says(&order, Phase::Accepted, "another change runs"));
    assert_eq!(waits(&bench), Some(Waiting::Accepted("another change runs".to_owned())));
    bench.message(fleet[0].progress(&order, Phase::Running));
    assert_eq!(waits(&bench), says(""));
    let first = fleet[0].says(&order, Phase::Running, "dpkg lock, pid 812 apt");
    bench.message(first.clone());
    assert_eq!(waits(&bench), says("dpkg lock, pid 812 apt"));
    assert_eq!(bench.job.waiting(1), [(&fleet[0].identity, waits(&bench).unwrap())]);
    bench.message(fleet[0].says(&order, Phase::Running, "downloading"));
    // An older word that is carried once more says nothing.
    bench.message(first);
    assert_eq!(waits(&bench), says("downloading"));
    // Nor does what was sealed for others, but that it runs.
    let other = *fleet[1].open.public();
    bench.message(fleet[0].says_to(&order, Phase::Running, "secret", &[other]));
    assert_eq!(waits(&bench), says(""));
    bench.message(fleet[0].ok(&order));
    assert_eq!(waits(&bench), None);
}
