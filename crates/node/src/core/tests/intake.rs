//! Who is refused and why, and that nobody gets two answers.

use marcato_core::limits::node::{
    COPIES_PER_SECOND, REFUSALS_KEPT_MAX, REFUSALS_PER_SECOND, SEEN_PER_CALLER_MAX,
};
use marcato_protocol::message::{PROOF, SIGNATURE};

use marcato_protocol::order::Received;

use super::super::refusals::Refusals;
use super::*;

/// Sends a changed draft of `words` and expects it to be refused.
fn refused(words: &str, change: impl Fn(&mut Draft), reason: Reason, text: &str) {
    let mut bench = Bench::new();
    let mut draft = bench.draft(words);
    change(&mut draft);
    let got = bench.send(&draft);
    let state = if reason == Reason::Policy { EndState::Denied } else { EndState::Rejected };
    assert_eq!(got.end(), (state, Some(reason)), "{words}");
    assert!(got.runs.is_empty());
    let logged = got.logs.iter().any(|log| log.reason == Some(reason) && log.text.contains(text));
    assert!(logged, "{text} not in {:?}", got.logs);
    // Who is not known reads nothing of it; who is reads it all.
    let unverified = matches!(
        reason,
        Reason::Version
            | Reason::Collective
            | Reason::Clock
            | Reason::Expired
            | Reason::OutsideSet
            | Reason::UnknownCaller
            | Reason::KeyNotAllowed
            | Reason::Signature
    ) || text.contains("more time");
    assert_eq!(got.text().is_empty(), unverified, "{}", got.text());
    // A copy, even an untouched one later, is never anything else.
    bench.now = bench.now + seconds(20);
    let again = bench.send(&draft);
    assert_eq!(again.sent, got.sent, "{words}");
}

const RESTART: &str = "service restart service=nginx";
const STATUS: &str = "service status service=nginx";

#[test]
fn every_refusal_has_its_reason() {
    use Reason as R;
    let no = |_: &mut Draft| {};
    refused(RESTART, |d| d.order.v = 2, R::Version, "version 2; this node speaks 1 to 1");
    refused(
        RESTART,
        |d| d.order.collective = "prod".parse().unwrap(),
        R::Collective,
        "the order is for prod, this node is of lab",
    );
    refused(
        RESTART,
        |d| d.order.start_by = d.order.issued + Span::from_secs(31 * 24 * 3600),
        R::Malformed,
        "more time",
    );
    refused(
        RESTART,
        |d| {
            d.order.issued = d.order.issued + seconds(31);
            d.order.start_by = d.order.issued;
        },
        R::Clock,
        "issued at",
    );
    refused(STATUS, |d| d.order.caller = "eve".parse().unwrap(), R::UnknownCaller, "eve");
    refused(STATUS, |d| d.signer = 2, R::KeyNotAllowed, "ops");
    refused(
        STATUS,
        |d| d.set_key = Arc::new(NodeSignKey::generate(&mut ChaCha20Rng::from_seed([3; 32]))),
        R::OutsideSet,
        "with its key",
    );
    refused("puppet run", no, R::UnknownAgent, "no agent puppet");
    refused("service explode", no, R::UnknownAction, "service 1.2.0 has no action explode");
    refused(RESTART, |d| d.matching = true, R::Audience, "needs a chosen set");
    refused(
        STATUS,
        |d| d.step.filter.facts = vec!["role=db".into()],
        R::NotMatching,
        "does not match",
    );
    refused(
        STATUS,
        |d| d.step.filter.expressions = vec!["role=web and not (role=web or x)".into()],
        R::NotMatching,
        "does not match",
    );
    refused(STATUS, |d| d.step.filter.facts = vec!["=".into()], R::Malformed, "");
    refused(STATUS, |d| d.step.filter.expressions = vec!["role=web and".into()], R::Malformed, "");
    refused("service restart", no, R::Inputs, "service");
    refused("service restart service=UP", no, R::Inputs, "service");
    refused("service restart service=a x=1", no, R::Inputs, "no such input");
    refused(STATUS, |d| d.order.issued = START - Span::from_ms(1), R::Restarted, "before this");
    refused("service wipe", no, R::Policy, "ops.policy:3; this would allow it: allow callers=ops");
    refused(
        STATUS,
        |d| {
            d.signer = 2;
            d.order.caller = "guest".parse().unwrap();
        },
        R::Policy,
        "no rule; this would allow it: allow callers=guest agents=service actions=status",
    );
}

#[test]
fn what_came_too_late_is_expired() {
    let mut bench = Bench::new();
    let draft = bench.draft(RESTART);
    bench.now = bench.now + seconds(41);
    assert_eq!(bench.send(&draft).end(), (EndState::Rejected, Some(Reason::Expired)));
    let draft = bench.draft(RESTART);
    bench.now = bench.now + seconds(40);
    assert_eq!(bench.send(&draft).runs.len(), 1);
}

#[test]
fn a_node_that_takes_no_changes_still_reads() {
    let mut bench = Bench::with(Rules { read_only: true, ..rules() });
    assert_eq!(bench.ask(RESTART).end(), (EndState::Rejected, Some(Reason::ReadOnly)));
    assert_eq!(bench.ask(STATUS).runs.len(), 1);
}

#[test]
fn tampered_messages_are_refused() {
    let check = |damage: fn(&mut Message), want: Option<Reason>, honest_runs: bool| {
        let mut bench = Bench::new();
        let draft = bench.draft(RESTART);
        let mut message = draft.message();
        damage(&mut message);
        let got = bench.step(Event::Message(message));
        match want {
            Some(reason) => assert_eq!(got.end(), (EndState::Rejected, Some(reason))),
            None => assert!(got.is_silent() && got.logs.len() == 1),
        }
        // Bytes that were refused in the node's name must not run after all.
        let honest = bench.send(&draft);
        assert_eq!(honest.runs.len(), usize::from(honest_runs));
        if !honest_runs {
            assert_eq!(honest.sent, got.sent);
        }
    };
    check(|message| flip(&mut message.body, "nginx", "mysql"), Some(Reason::Signature), true);
    check(|message| drop_header(message, PROOF), Some(Reason::OutsideSet), false);
    check(|message| drop_header(message, SIGNATURE), None, true);
    check(|message| message.body.truncate(100), None, true);
    check(|message| message.body = vec![b' '; 300 * 1024], None, true);
    check(|message| message.body.clear(), None, true);
}

fn flip(body: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(body)).unwrap();
    *body = text.replace(from, to).into_bytes();
}

fn drop_header(message: &mut Message, header: &str) {
    let kept = message.headers.iter().filter(|(name, _)| *name != header);
    message.headers = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
}

#[test]
fn versions_next_door() {
    let check = |spoken: (u32, u32), v: u32, works: bool| {
        let (oldest, newest) = spoken;
        let spoken = Spoken { oldest, newest };
        let (node, _) = Node::new(Bench::setup(rules(), spoken, START), START);
        let mut bench = Bench::new();
        bench.node = node;
        let _ = bench.step(Event::Connected);
        let mut draft = bench.draft(STATUS);
        draft.order.v = v;
        let got = bench.send(&draft);
        if works {
            let run = got.run();
            assert_eq!(bench.ended(run).receipts[0].0.v, v);
        } else {
            assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Version)));
        }
    };
    check((0, 1), 1, true);
    check((0, 1), 0, true);
    check((1, 2), 1, true);
    check((1, 2), 2, true);
    check((1, 2), 3, false);
    check((2, 3), 1, false);
}

/// Of a version whose form nobody here knows, its sender still hears that it is not spoken.
#[test]
fn an_order_of_another_form_is_refused_by_its_version() {
    let later = |matching: bool, from: &str, to: &str| {
        let mut bench = Bench::new();
        let mut draft = bench.draft("rpcutil ping");
        draft.matching = matching;
        draft.step.filter.facts = vec!["role=web".into()];
        let mut message = draft.message();
        flip(&mut message.body, r#"{"v":1,"#, r#"{"v":2,"later":[{}],"#);
        flip(&mut message.body, from, to);
        let got = bench.step(Event::Message(message.clone()));
        assert!(got.runs.is_empty() && got.logs.len() <= 1);
        bench.now = bench.now + seconds(20);
        assert_eq!(bench.step(Event::Message(message)).sent, got.sent, "{from} {to}");
        let receipt = got.receipts.into_iter().next();
        receipt.map(|(outer, inner)| (outer.v, outer.state, outer.reason, inner))
    };
    let named = Some((2, EndState::Rejected, Some(Reason::Version), Inner::default()));
    assert_eq!(later(false, "", ""), named);
    assert_eq!(later(false, r#""readers":["#, r#""readers":[[],"#), named);
    assert_eq!(later(false, r#""audience":{"#, r#""audience":{"all":[],"#), named);
    assert_eq!(later(true, "", ""), named);
    // Whom another form means is not known, and others were not asked.
    assert_eq!(later(true, "role=web", "role=db"), None);
    assert_eq!(later(true, r#""facts":["#, r#""facts":[[],"#), None);
    assert_eq!(later(true, r#""step":{"#, r#""todo":{"#), None);
    // Nobody is named who could be told.
    assert_eq!(later(false, r#""caller":"#, r#""callers":"#), None);
    assert_eq!(later(false, r#""v":2,"#, r#""v":4294967296,"#), None);
}

#[test]
fn whom_matching_does_not_mean_stays_silent() {
    let check = |terms: fn(&mut Draft), silent: bool| {
        let mut bench = Bench::new();
        let mut draft = bench.draft("rpcutil ping");
        draft.matching = true;
        terms(&mut draft);
        let got = bench.send(&draft);
        assert_eq!(got.is_silent(), silent, "{:?}", draft.step.filter);
    };
    check(|_| {}, false);
    check(|d| d.step.filter.facts = vec!["hagroup=c".into()], false);
    check(|d| d.step.filter.facts = vec!["hagroup=a".into()], true);
    check(|d| d.step.filter.classes = vec!["common".into()], false);
    check(|d| d.step.filter.identities = vec!["db1".into()], true);
    // An agent that is not here: others have it.
    check(
        |d| {
            d.step.agent = "puppet".parse().unwrap();
            d.step.filter.agents = vec!["puppet".into()];
        },
        true,
    );
    // A change is refused, but only where it was meant to be done.
    check(
        |d| {
            d.step.agent = "service".parse().unwrap();
            d.step.action = "wipe".parse().unwrap();
            d.step.filter.facts = vec!["role=db".into()];
        },
        true,
    );
    // So is one that did not verify.
    check(
        |d| {
            d.signer = 2;
            d.step.filter.facts = vec!["role=db".into()];
        },
        true,
    );
    check(|d| d.signer = 2, false);
    // A stranger's pattern is not looked at; who may ask is refused for what is wrong.
    check(
        |d| {
            d.signer = 2;
            d.step.filter.facts = vec!["role=/^w/".into()];
        },
        true,
    );
    check(
        |d| {
            d.order.v = 2;
            d.step.filter.facts = vec!["role=/^w/".into()];
        },
        false,
    );
    check(
        |d| {
            d.order.v = 2;
            d.step.filter.facts = vec!["role=/^d/".into()];
        },
        true,
    );
}

#[test]
fn a_second_copy_gets_the_first_answer_byte_for_byte() {
    for words in [STATUS, RESTART] {
        let mut bench = Bench::new();
        let draft = bench.draft(words);
        let key = bench.send(&draft).run();
        let running = bench.send(&draft);
        assert_eq!((running.runs.len(), running.receipts.len()), (0, 0));
        assert_eq!(running.progress.len(), 1, "still running: {words}");
        let first = bench.ended(key).sent;
        assert_eq!(first.len(), 1);
        bench.now = bench.now + seconds(30);
        let copy = bench.send(&draft);
        assert_eq!((copy.sent, copy.runs.len()), (first.clone(), 0), "{words}");
        // With another signature over the same bytes it is the same order.
        let mut resigned = draft.message();
        drop_header(&mut resigned, SIGNATURE);
        resigned.headers.push(
            SIGNATURE,
            Draft { signer: 2, ..draft.clone() }
                .message()
                .headers
                .get(SIGNATURE)
                .unwrap()
                .to_owned(),
        );
        assert_eq!(bench.step(Event::Message(resigned)).sent, first);
        // A change is known for long, so that a late copy is not called expired.
        let _ = bench.pass(seconds(3600));
        let late = bench.send(&draft);
        match words {
            RESTART => assert_eq!(late.sent, first),
            _ => assert_eq!(late.end(), (EndState::Rejected, Some(Reason::Expired))),
        }
    }
}

#[test]
fn another_order_of_the_same_id_is_refused() {
    let mut bench = Bench::new();
    let draft = bench.draft(RESTART);
    assert_eq!(bench.send(&draft).runs.len(), 1);
    let mut other = bench.draft("service restart service=mysql");
    other.order.id = draft.order.id;
    let got = bench.send(&other);
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Malformed)));
    assert!(got.runs.is_empty());
}

#[test]
fn refusals_of_strangers_are_limited_and_counted() {
    let mut bench = Bench::new();
    let stranger = |bench: &mut Bench| {
        let mut draft = bench.draft(STATUS);
        draft.signer = 2;
        bench.send(&draft)
    };
    let flood = REFUSALS_PER_SECOND as usize + 30;
    let answered = (0..flood).filter(|_| !stranger(&mut bench).is_silent()).count();
    assert_eq!(answered, REFUSALS_PER_SECOND as usize);
    // Whoever is known is still served.
    assert_eq!(bench.ask(STATUS).runs.len(), 1);
    let got = bench.pass(seconds(61));
    let counted = got.logs.iter().find(|log| log.what == What::RefusedCount).unwrap();
    assert!(counted.text.starts_with("30 more"), "{}", counted.text);
}

#[test]
fn memory_has_a_bound_and_forgets_nothing_that_may_still_start() {
    let mut bench = Bench::new();
    let draft = bench.draft(STATUS);
    let key = bench.send(&draft).run();
    let _ = bench.ended(key);
    let (about, receipt) = {
        let known = bench.node.seen.get(key).unwrap();
        (known.about.clone(), known.receipt.clone().unwrap())
    };
    let mut seen = seen::Seen::default();
    let mut steady = steady::Steady::new(bench.now);
    let (ops, guest) = (about.caller.clone(), "guest".parse().unwrap());
    for number in 0..SEEN_PER_CALLER_MAX as u64 {
        assert!(seen.room(&ops, about.issued, steady), "{number}");
        let key = RunKey { step: number, ..key };
        seen.remember(About { key, ..about.clone() }, false, true, steady);
        seen.answered(key, receipt.clone(), None, steady);
    }
    assert!(!seen.room(&ops, about.issued, steady));
    assert!(seen.room(&guest, about.issued, steady), "others have room of their own");
    steady.advance(about.start_by + seconds(20));
    steady.advance(about.start_by + seconds(60));
    seen.forget(steady);
    assert_eq!(seen.len(), SEEN_PER_CALLER_MAX);
    steady.advance(about.start_by + seconds(61));
    seen.forget(steady);
    assert_eq!(seen.len(), 0);
    // What was told that there is no room never finds any; what comes later does.
    assert!(!seen.room(&ops, about.issued, steady));
    assert!(seen.room(&ops, about.issued + Span::from_ms(1), steady));
}

#[test]
fn refusals_kept_have_a_bound() {
    let mut bench = Bench::new();
    let draft = bench.draft(STATUS);
    let key = bench.send(&draft).run();
    let _ = bench.ended(key);
    let receipt = bench.node.seen.get(key).unwrap().receipt.clone().unwrap();
    let mut order = Received::parse(&draft.message()).unwrap().head();
    order.start_by = bench.now + seconds(3600);
    let mut refusals = Refusals::new(bench.now);
    let mut steady = steady::Steady::new(bench.now);
    let mut answered = 0;
    for number in 0..2 * REFUSALS_KEPT_MAX as u64 {
        bench.now = bench.now + seconds(1);
        steady.advance(bench.now);
        if refusals.may(bench.now, steady) {
            answered += 1;
            order.order_digest = Digest::of(&number.to_be_bytes());
            refusals.keep(&order, receipt.clone(), steady);
        }
    }
    assert_eq!((answered, refusals.len()), (REFUSALS_KEPT_MAX, REFUSALS_KEPT_MAX));
    for _ in 0..70 {
        bench.now = bench.now + seconds(60);
        steady.advance(bench.now);
    }
    refusals.forget(steady);
    assert_eq!(refusals.len(), 0);
}

#[test]
fn copies_are_answered_at_a_bounded_rate() {
    let mut bench = Bench::new();
    let draft = bench.draft(STATUS);
    let key = bench.send(&draft).run();
    let _ = bench.ended(key);
    let answered = (0..200).filter(|_| !bench.send(&draft).is_silent()).count();
    assert_eq!(answered, COPIES_PER_SECOND as usize);
}

#[test]
fn a_clock_that_went_back_takes_no_orders() {
    let mut bench = Bench::new();
    let draft = bench.draft(STATUS);
    let got = bench.send(&draft);
    assert_eq!((got.runs.len(), got.clock), (1, Some(draft.order.issued)));
    bench.clock_high = draft.order.issued;
    bench.now = START;
    let _ = bench.restart(Vec::new());
    let _ = bench.step(Event::Connected);
    let got = bench.ask(STATUS);
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Clock)));
    assert!(got.text().contains("it verified an order of"), "{}", got.text());
    bench.now = draft.order.issued;
    assert_eq!(bench.ask(STATUS).runs.len(), 1);
}

#[test]
fn the_certificate_comes_along_where_it_is_asked_for() {
    let mut bench = Bench::new();
    let mut draft = bench.draft(STATUS);
    draft.order.certificates = true;
    let key = bench.send(&draft).run();
    let certificate = marcato_protocol::message::CERTIFICATE;
    let got = bench.ended(key);
    assert_eq!(got.sent[0].headers.get(certificate), Some("certificate"));
    let key = bench.ask(STATUS).run();
    assert_eq!(bench.ended(key).sent[0].headers.get(certificate), None);
}

#[test]
fn later_steps_rest_on_the_first_ones_filter() {
    use marcato_protocol::order::StepTree;
    let mut bench = Bench::new();
    let draft = bench.draft(STATUS);
    let mut order = draft.order;
    let set = MerkleSet::build(vec![merkle::leaf(order.id.as_bytes(), NODE, node_key().public())]);
    let audience = Audience::Set(Set { root: set.root(), count: set.count() });
    let step = |role: &str| {
        let filter = Terms { facts: vec![format!("role={role}")], ..Terms::default() };
        Step { audience, filter, ..draft.step.clone() }
    };
    let steps = [step("web"), step("db")];
    let tree = StepTree::build(order.id, &steps);
    order.steps = Some(tree.set());
    let bytes = order.to_bytes();
    let signature = operator(1).sign(Namespace::Order, &bytes).unwrap();
    let signed = SignedOrder::new(bytes, signature);
    let message = |index: u64| {
        let proof = set.proof(0).unwrap();
        signed.step_message("s".into(), "r".into(), (&tree, index), Some(&proof)).unwrap()
    };
    // The second alone does not match; behind the first it is not asked.
    let mut other = Bench::new();
    let alone = other.step(Event::Message(message(1)));
    assert_eq!(alone.end(), (EndState::Rejected, Some(Reason::NotMatching)));
    let first = bench.step(Event::Message(message(0))).run();
    let _ = bench.ended(first);
    let second = bench.step(Event::Message(message(1))).run();
    assert_eq!((first.order, first.step, second.step), (second.order, 0, 1));
}

#[test]
fn a_clock_that_jumps_does_not_make_the_node_forget() {
    let mut bench = Bench::new();
    let draft = bench.draft(STATUS);
    let key = bench.send(&draft).run();
    let answer = bench.ended(key).sent;
    bench.now = bench.now + seconds(3600);
    let _ = bench.step(Event::Tick);
    assert_eq!(bench.send(&draft).sent, answer);
}

#[test]
fn a_filter_on_a_volatile_fact_is_decided_by_what_is_measured() {
    let check = |facts: &[&str], expressions: &[&str], matching: bool, order: &[&str]| {
        let mut bench = Bench::new();
        let mut draft = bench.draft(STATUS);
        let own = |terms: &[&str]| terms.iter().map(|term| (*term).to_owned()).collect::<Vec<_>>();
        (draft.step.filter.facts, draft.step.filter.expressions) = (own(facts), own(expressions));
        draft.matching = matching;
        let got = bench.send(&draft);
        assert_eq!(got.order, order, "{facts:?} {expressions:?}");
        if let [approved] = &got.runs[..] {
            let knows = approved.call().facts.contains_key("uptime_days");
            assert_eq!(knows, order.contains(&"measure"));
            assert!(bench.ended(got.run()).order.contains(&"receipt"));
        }
        // A copy needs no second look.
        assert!(!bench.send(&draft).order.contains(&"measure") || got.is_silent());
    };
    check(&["uptime_days>2"], &[], false, &["measure", "run"]);
    check(&["uptime_days>2"], &[], true, &["measure", "run"]);
    check(&["role=web"], &["not uptime_days=3"], false, &["measure", "receipt"]);
    check(&["uptime_days>3"], &[], true, &["measure"]);
    check(&["role=web"], &[], false, &["run"]);
}

#[test]
fn nothing_is_measured_for_a_stranger() {
    let mut bench = Bench::new();
    let mut draft = bench.draft(STATUS);
    draft.step.filter.facts = vec!["uptime_days>2".into()];
    draft.signer = 2;
    assert_eq!(bench.send(&draft).order, ["receipt"]);
}
