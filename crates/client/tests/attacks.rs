//! What others say in a node's name, or against it: it ends nothing, and it is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use kit::{Bench, Node, nodes};
use marcato_client::core::{Event, RefusedWhy, Selection};
use marcato_core::{Changed, EndState, Exit, Reason, Span};
use marcato_protocol::message::{self, Headers, Kind, Message};
use marcato_protocol::progress::Phase;

/// Gives a job for `web1` and `web2` one hostile message in web1's name, and expects that it ends
/// nothing and is counted with that reason.
fn check(why: RefusedWhy, hostile: impl FnOnce(&[Node], &Message) -> Message) {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    bench.message(hostile(&fleet, &order));
    assert!(bench.job.node(&fleet[0].identity).is_none(), "{why:?} ended an account");
    let refused = bench.report().refused;
    assert_eq!(refused.len(), 1, "{why:?}: {refused:?}");
    assert_eq!((refused[0].why, refused[0].count), (why, 1), "{}", refused[0].text);
    for node in &fleet {
        bench.message(node.ok(&bench.order(node)));
    }
    bench.assert_done();
    assert_eq!(bench.report().exit(), Exit::Ok);
}

fn without(headers: &Headers, name: &str) -> Headers {
    let kept = headers.iter().filter(|(key, _)| *key != name);
    kept.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn receipts_that_are_not_the_nodes_own() {
    check(RefusedWhy::Signature, |fleet, order| {
        // The other node signs a receipt about the first one, on the first one's subject.
        let outer = fleet[0].outer(order, EndState::Ok, None);
        let forged = fleet[1].send(order, outer, false);
        Message { subject: fleet[0].ok(order).subject, ..forged }
    });
    check(RefusedWhy::Signature, |_, order| Node::rebuilt("web1").ok(order));
    check(RefusedWhy::Unsigned, |fleet, order| {
        let receipt = fleet[0].ok(order);
        let headers = without(&receipt.headers, message::SIGNATURE);
        Message { headers, ..receipt }
    });
    check(RefusedWhy::OtherNode, |fleet, order| {
        let subject = fleet[0].ok(order).subject;
        Message { subject, ..fleet[1].ok(order) }
    });
    check(RefusedWhy::Signature, |fleet, order| {
        let mut receipt = fleet[0].receipt(order, EndState::Failed, Some(Reason::Action));
        let end = receipt.headers.get(message::OUTER).unwrap().parse::<usize>().unwrap();
        let outer = String::from_utf8(receipt.body[..end].to_vec()).unwrap();
        // As long as before, so that only the signature can tell.
        let tampered = outer.replace("\"failed\"", "\"denied\"");
        receipt.body[..end].copy_from_slice(tampered.as_bytes());
        receipt
    });
    check(RefusedWhy::Sealed, |fleet, order| {
        let mut receipt = fleet[0].ok(order);
        *receipt.body.last_mut().unwrap() ^= 1;
        receipt
    });
}

#[test]
fn receipts_of_other_orders_and_states_that_nodes_cannot_say() {
    check(RefusedWhy::OtherOrder, |fleet, order| {
        let other = Bench::read(fleet).sent[0].clone();
        let subject = fleet[0].ok(order).subject;
        Message { subject, ..fleet[0].ok(&other) }
    });
    check(RefusedWhy::OtherStep, |fleet, order| {
        let mut outer = fleet[0].outer(order, EndState::Ok, None);
        outer.step_digest = marcato_protocol::digest::Digest::of(b"another step");
        fleet[0].send(order, outer, false)
    });
    for state in [EndState::Down, EndState::Lost, EndState::NoResponse, EndState::Skipped] {
        check(RefusedWhy::Malformed, |fleet, order| fleet[0].receipt(order, state, None));
    }
    check(RefusedWhy::Unsigned, |fleet, order| kit::garbage(fleet[0].ok(order).subject));
    check(RefusedWhy::Malformed, |fleet, order| {
        let receipt = fleet[0].ok(order);
        Message { body: vec![b'{'; receipt.body.len()], ..receipt }
    });
    check(RefusedWhy::Malformed, |fleet, order| {
        let receipt = fleet[0].ok(order);
        Message { headers: without(&receipt.headers, message::KIND), ..receipt }
    });
    check(RefusedWhy::Malformed, |fleet, order| {
        let receipt = fleet[0].ok(order);
        let headers = Headers::of(Kind::Registration);
        Message { headers, ..receipt }
    });
}

#[test]
fn progress_that_is_not_the_nodes_own() {
    check(RefusedWhy::Signature, |_, order| Node::rebuilt("web1").progress(order, Phase::Running));
    check(RefusedWhy::OtherNode, |fleet, order| {
        let subject = fleet[0].ok(order).subject;
        Message { subject, ..fleet[1].progress(order, Phase::Running) }
    });
    check(RefusedWhy::NoCertificate, |_, order| Node::new("evil").progress(order, Phase::Running));
    check(RefusedWhy::NoCertificate, |_, order| Node::new("evil").ok(order));
}

/// What is refused is counted together, and invented names cannot fill the memory.
#[test]
fn refusals_are_counted_and_bounded() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    for _ in 0..3 {
        bench.message(Node::rebuilt("web1").ok(&order));
    }
    assert_eq!(bench.report().refused[0].count, 3);
    let subject = fleet[0].ok(&order).subject;
    let prefix = subject.strip_suffix("web1").unwrap();
    for i in 0..10_100 {
        bench.message(kit::garbage(format!("{prefix}x{i}")));
    }
    let refused = bench.report().refused;
    assert!(refused.len() <= 10_001, "{}", refused.len());
    assert_eq!(refused.iter().map(|refusal| refusal.count).sum::<u64>(), 10_103);
    assert!(refused.iter().all(|refusal| refusal.text.len() <= 4 * 200));
}

/// A broker can say of a subject that nobody is there; only of the job's own order does it count.
#[test]
fn a_broker_speaks_only_of_what_was_sent() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    for subject in ["", "x", "mco.lab.reply.ops=40example=2ecom.07.web1", "mco.lab.node.web1"] {
        bench.step(Event::NoResponders(subject.into()));
    }
    assert!(!bench.done);
}

/// Where no hub can be asked, receipts bring certificates, and only the authority's count.
#[test]
fn certificates_that_come_along() {
    let other = marcato_protocol::keys::NodeSignKey::generate(&mut kit::rng(99));
    let fleet = kit::collective();
    let prod = "prod".parse().unwrap();
    let cases = [
        (Node::new("web1"), None),
        (Node::certified("web1", 0, &other, &fleet), Some(RefusedWhy::NoCertificate)),
        (Node::certified("web1", 0, &kit::authority(), &prod), Some(RefusedWhy::NoCertificate)),
    ];
    for (node, why) in cases {
        let mut bench = Bench::unknown(Default::default());
        let order = bench.sent[0].clone();
        let outer = node.outer(&order, EndState::Ok, None);
        bench.message(node.send(&order, outer, true));
        assert_eq!(bench.learned.len(), usize::from(why.is_none()));
        assert_eq!(bench.report().refused.first().map(|refusal| refusal.why), why);
        assert_eq!(bench.report().nodes.len(), usize::from(why.is_none()));
    }
}

/// Another's certificate, and that of a rebuilt host whose name is known with another key.
#[test]
fn a_changed_key_is_refused_by_name() {
    let known = nodes(&["web1"]);
    let mut bench = Bench::unknown(kit::directory(&known));
    let order = bench.sent[0].clone();
    let rebuilt = Node::rebuilt("web1");
    let outer = rebuilt.outer(&order, EndState::Ok, None);
    bench.message(rebuilt.send(&order, outer, true));
    assert!(bench.learned.is_empty());
    let line = bench.node(&rebuilt);
    assert_eq!((line.state, line.reason), (EndState::Skipped, Some(Reason::KeyChanged)));
    assert_eq!(bench.report().refused[0].why, RefusedWhy::KeyChanged);
    bench.message(known[0].ok(&order));
    assert_eq!(bench.end(&known[0]).0, EndState::Ok, "the host that is known still counts");

    let mut bench = Bench::unknown(Default::default());
    let order = bench.sent[0].clone();
    let (web1, web2) = (Node::new("web1"), Node::new("web2"));
    let mut receipt = web1.send(&order, web1.outer(&order, EndState::Ok, None), false);
    receipt.headers.push(message::CERTIFICATE, web2.certificate);
    bench.message(receipt);
    assert_eq!(bench.report().refused[0].why, RefusedWhy::OtherNode);
}

/// Without a hub the end comes when nobody answers any more, and nobody is called missing.
#[test]
fn without_a_hub_the_expected_set_is_unknown() {
    let fleet = nodes(&["web1", "web2"]);
    let mut bench = Bench::unknown(Default::default());
    let order = bench.sent[0].clone();
    let received = marcato_protocol::order::Received::parse(&order).unwrap();
    assert!(received.order.certificates);
    for node in &fleet {
        let outer = node.outer(&order, EndState::Ok, None);
        bench.message(node.send(&order, outer, true));
        bench.after(300);
    }
    bench.after(1699);
    assert!(!bench.done);
    bench.after(1);
    bench.assert_done();
    let report = bench.report();
    assert_eq!((report.expected, report.nodes.len(), report.exit()), (None, 2, Exit::Ok));

    // A node that is not known yet and says that it works is waited for.
    let mut bench = Bench::unknown(Default::default());
    let order = bench.sent[0].clone();
    bench.message(fleet[0].send(&order, fleet[0].outer(&order, EndState::Ok, None), true));
    bench.message(fleet[1].progress(&order, Phase::Running));
    bench.after(4000);
    assert!(!bench.done);
    bench.message(fleet[1].send(&order, fleet[1].outer(&order, EndState::Ok, None), true));
    bench.after(1000);
    bench.assert_done();
    assert_eq!(bench.report().nodes.len(), 2);

    let mut bench = Bench::unknown(Default::default());
    bench.after(4999);
    assert!(!bench.done);
    bench.after(1);
    bench.assert_done();
    assert_eq!(bench.report().exit(), Exit::NoAnswer);

    let mut bench = Bench::unknown(Default::default());
    let subject = bench.sent[0].reply.clone().unwrap();
    bench.step(Event::NoResponders(subject));
    bench.assert_done();
    assert_eq!(bench.now, kit::START);
}

/// A node that said that it has the order and does not end in time is no less there for want of a
/// hub: known it has a line, and else it is told of.
#[test]
fn without_a_hub_who_only_accepted_is_accounted_for() {
    let fleet = nodes(&["web1", "web2"]);
    let check = |known: &[Node], pauses: &[u64], want: Option<(EndState, Reason)>| {
        let mut bench = Bench::unknown(kit::directory(known));
        let order = bench.sent[0].clone();
        bench.message(fleet[0].send(&order, fleet[0].outer(&order, EndState::Ok, None), true));
        for pause in pauses {
            bench.after(*pause);
            bench.message(fleet[1].progress(&order, Phase::Accepted));
        }
        bench.after(4999 - pauses.iter().sum::<u64>());
        assert!(!bench.done, "its receipt may still come");
        bench.after(1);
        bench.assert_done();
        let report = bench.report();
        let line = report.nodes.get(1).map(|node| (node.state, node.reason.unwrap()));
        assert_eq!(line, want);
        let refused = report.refused.iter().any(|one| one.node == Some(fleet[1].identity.clone()));
        assert_eq!(refused, want.is_none());
        bench.message(fleet[1].progress(&order, Phase::Running));
        bench.assert_done();
    };
    let running = (EndState::TimedOut, Reason::StillRunning);
    check(&fleet, &[1000, 2000], Some(running));
    check(&fleet, &[0], Some((EndState::Lost, Reason::WentSilent)));
    check(&[], &[1000, 2000], None);
}

/// Without a hub too, a node that has just started gets its read signed anew.
#[test]
fn without_a_hub_a_young_node_is_asked_again() {
    let node = Node::new("web1");
    let mut bench = Bench::unknown(Default::default());
    let order = bench.sent[0].clone();
    let outer = node.outer(&order, EndState::Rejected, Some(Reason::Restarted));
    bench.message(node.send(&order, outer, true));
    bench.after(100);
    let second = bench.order(&node);
    bench.message(node.send(&second, node.outer(&second, EndState::Ok, None), true));
    bench.after(2000);
    bench.assert_done();
    assert_eq!(bench.end(&node).0, EndState::Ok);
}

/// Nodes that the registry does not list hear a read too; they are told of apart.
#[test]
fn a_node_that_was_not_expected_answers() {
    let fleet = nodes(&["web1", "web2"]);
    let directory = kit::directory(&fleet);
    let selection = kit::select(vec![fleet[0].listed()], &directory, false);
    let mut bench = Bench::new(kit::task(false), selection, directory);
    let order = bench.sent[0].clone();
    bench.message(fleet[1].receipt(&order, EndState::Denied, Some(Reason::Policy)));
    bench.message(fleet[0].ok(&order));
    bench.assert_done();
    let report = bench.report();
    assert_eq!((report.expected, report.nodes.len()), (Some(1), 1));
    assert_eq!(report.unexpected[0].node, fleet[1].identity);
    assert_eq!(report.exit(), Exit::Failed, "some node is denied");
}

/// The wait of a job whose order nobody may be sent ends at once.
#[test]
fn a_job_for_nobody() {
    let mut bench = Bench::new(
        kit::task(true),
        kit::select(vec![], &Default::default(), true),
        Default::default(),
    );
    bench.after(0);
    bench.assert_done();
    assert_eq!((bench.report().exit(), bench.sent.len()), (Exit::Nothing, 0));
    let mut lacking = Node::new("web1").listed();
    lacking.not_capable = true;
    let selection = kit::select(vec![lacking], &Default::default(), false);
    let bench = Bench::new(kit::task(false), selection, Default::default());
    bench.assert_done();
    let report = bench.report();
    assert_eq!((report.exit(), report.not_capable.len()), (Exit::Nothing, 1));
    assert_eq!(report.orders, []);
}

/// A task that nodes would refuse is refused before it is signed.
#[test]
fn tasks_that_are_too_large() {
    let fleet = nodes(&["web1"]);
    let check = |change: fn(&mut marcato_client::core::Task), part: &str| {
        let mut task = kit::task(true);
        change(&mut task);
        let directory = kit::directory(&fleet);
        let selection: Selection = kit::select(vec![fleet[0].listed()], &directory, true);
        let setup = marcato_client::core::JobSetup {
            id: marcato_core::OrderId::from_bytes([7; 16]),
            seed: [8; 32],
            reader: kit::reader(),
            collective: kit::collective(),
            authority: kit::authority().public().clone(),
            caller: kit::caller(),
            spoken: kit::ONE,
            directory,
            task,
            selection,
            paced: None,
        };
        let error = marcato_client::core::Job::new(setup, kit::START).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(|task| task.wait = Span::from_secs(40 * 24 * 3600), "too long");
    check(|task| task.run_limit = Span::from_secs(25 * 3600), "86400 s are accepted");
    check(|task| task.reason = Some("x".repeat(1025)), "the reason is longer than 1024 bytes");
    check(
        |task| {
            task.inputs.insert("x".into(), "y".repeat(256 * 1024).into());
        },
        "longer than 262144 bytes",
    );
}

/// A broker that shows a node's words again, or lets few of them through, holds no job open.
#[test]
fn words_that_are_carried_twice_or_late_hold_nothing_open() {
    let fleet = nodes(&["web1"]);
    let check = |phase: Phase, every: u64, again: bool, most: u64| {
        let mut bench = Bench::change(&fleet);
        let order = bench.order(&fleet[0]);
        let word = fleet[0].progress(&order, phase);
        let mut passed = 0;
        while passed < most + every {
            let next = if again { word.clone() } else { fleet[0].progress(&order, phase) };
            bench.message(next);
            bench.after(every);
            passed += every;
        }
        bench.assert_done();
        let end = bench.end(&fleet[0]).0;
        assert!(matches!(end, EndState::Lost | EndState::TimedOut), "{phase:?} {every}: {end}");
    };
    // The run limit of 60 s and the 5 s behind it, from the first word.
    check(Phase::Accepted, 2000, true, 65_000);
    check(Phase::Running, 2000, true, 65_000);
    check(Phase::Accepted, 64_000, true, 65_000);
    // From the latest time at which the node might have begun: 10 s and twice the skew.
    check(Phase::Accepted, 2000, false, 70_000 + 65_000);
    check(Phase::Accepted, 60_000, false, 70_000 + 65_000);
}

/// Nor does it open again what the client closed.
#[test]
fn a_word_from_before_opens_nothing_again() {
    let fleet = nodes(&["web1"]);
    let mut bench = Bench::change(&fleet);
    let order = bench.order(&fleet[0]);
    let word = fleet[0].progress(&order, Phase::Accepted);
    bench.message(word.clone());
    bench.after(65_000);
    let lost = (EndState::Lost, Some(Reason::WentSilent), Changed::Unknown);
    assert_eq!(bench.end(&fleet[0]), lost);
    bench.message(word);
    assert_eq!(bench.end(&fleet[0]), lost);
}
