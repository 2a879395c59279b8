//! What runs when: the journal first, one change of an agent at a time, nothing after its time.

use marcato_agent::{ActionResult, Outcome};
use marcato_core::Changed;
use marcato_core::limits::node::{
    CHANGES_WAITING_MAX, LAST_CHANGES_MAX, READS_RUNNING_MAX, READS_WAITING_MAX,
};

use super::*;

const RESTART: &str = "service restart service=nginx";
const STATUS: &str = "service status service=nginx";

#[test]
fn a_change_is_written_down_before_it_starts_and_before_its_receipt_goes_out() {
    let mut bench = Bench::new();
    bench.writes = false;
    let draft = bench.draft(RESTART);
    let got = bench.send(&draft);
    assert_eq!(got.order, ["write"]);
    assert!(bench.send(&draft).is_silent(), "a copy is not told what is not written down yet");
    let started = bench.step(Event::Written(got.unwritten[0]));
    assert_eq!(started.order, ["run", "progress"]);
    assert_eq!(started.progress, [Phase::Accepted]);
    let call = started.runs[0].call();
    assert_eq!((call.caller.as_str(), call.inputs["service"].as_str()), ("ops", Some("nginx")));
    assert_eq!((call.limit, call.issued), (seconds(10), draft.order.issued));
    assert!(started.runs[0].changes());
    let ended = bench.ended(started.run());
    assert_eq!(ended.order, ["write"]);
    assert!(bench.send(&draft).is_silent());
    let sent = bench.step(Event::Written(ended.unwritten[0]));
    assert_eq!((sent.order.as_slice(), sent.end()), (&["receipt"][..], (EndState::Ok, None)));
    assert_eq!(sent.receipts[0].0.started, Some(bench.now));
}

#[test]
fn a_read_is_not_written_down_and_says_nothing_before_its_time() {
    let mut bench = Bench::new();
    let got = bench.ask(STATUS);
    assert_eq!(got.order, ["run"]);
    assert!(!got.runs[0].changes());
    let quiet = bench.pass(Span::from_ms(1400));
    assert!(quiet.progress.is_empty());
    let said = bench.pass(Span::from_ms(4200));
    assert_eq!(said.progress, [Phase::Accepted, Phase::Running, Phase::Running]);
    assert_eq!(bench.ended(got.run()).end(), (EndState::Ok, None));
    assert!(bench.pass(seconds(10)).progress.is_empty());
}

#[test]
fn outcomes_become_end_states() {
    let check = |outcome: Outcome, state: EndState, reason: Option<Reason>| {
        let mut bench = Bench::new();
        let (changed, message) = (outcome.changed, outcome.message.clone());
        let key = bench.ask(RESTART).run();
        let got = bench.step(Event::Ended(key, outcome));
        assert_eq!(got.end(), (state, reason));
        assert_eq!((got.receipts[0].0.changed, got.text()), (changed, message.as_str()));
    };
    let mut failed = Outcome::failed(Reason::Action, Changed::Unknown, "no");
    check(Outcome::ok(Map::new()), EndState::Ok, None);
    let absent = Outcome::ok(Map::new()).because(Reason::Absent);
    check(absent, EndState::Ok, Some(Reason::Absent));
    check(failed.clone(), EndState::Failed, Some(Reason::Action));
    failed.reason = None;
    check(failed.clone(), EndState::Failed, Some(Reason::Action));
    failed.result = ActionResult::TimedOut;
    check(failed, EndState::TimedOut, Some(Reason::RunLimit));
    let mut bench = Bench::new();
    let key = bench.ask(RESTART).run();
    let got = bench.step(Event::Gone(key));
    assert_eq!(got.end(), (EndState::Interrupted, Some(Reason::RunnerGone)));
    assert_eq!(got.receipts[0].0.changed, Changed::Unknown);
}

#[test]
fn a_read_over_its_limit_is_answered_and_its_late_end_is_not() {
    let mut bench = Bench::new();
    let draft = bench.draft(STATUS);
    let key = bench.send(&draft).run();
    assert!(bench.pass(seconds(10)).receipts.is_empty());
    let late = bench.pass(seconds(1));
    assert_eq!(late.end(), (EndState::TimedOut, Some(Reason::RunLimit)));
    assert_eq!(bench.send(&draft).answers(), late.answers());
    assert!(bench.ended(key).is_silent());
    assert_eq!(bench.send(&draft).answers(), late.answers());
    assert_eq!(bench.node.runs.len(), 0);
}

#[test]
fn changes_of_one_agent_run_one_after_the_other() {
    let mut bench = Bench::new();
    let first = bench.ask("service restart service=a").run();
    let second = bench.ask("service restart service=b");
    assert_eq!((second.runs.len(), &second.progress[..]), (0, &[Phase::Accepted][..]));
    assert_eq!(second.said, ["another change of service runs here"]);
    assert!(bench.ask(STATUS).runs.len() == 1, "reads do not wait for changes");
    let ended = bench.ended(first);
    assert_eq!(ended.runs.len(), 1);
    assert_eq!(ended.end(), (EndState::Ok, None));
    let second = ended.run();
    assert_ne!(first, second);
    let said = bench.pass(seconds(2)).said;
    assert!(said.iter().all(String::is_empty), "it waits for nothing any more: {said:?}");
    assert_eq!(bench.ended(second).end(), (EndState::Ok, None));
}

#[test]
fn what_waits_too_long_for_its_turn_never_starts() {
    let mut bench = Bench::new();
    let first = bench.ask("service restart service=a").run();
    let draft = bench.draft("service restart service=b");
    assert!(bench.send(&draft).runs.is_empty());
    let got = bench.pass(seconds(45));
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Expired)));
    assert!(got.text().contains("waited for its turn"));
    assert_eq!(got.receipts[0].0.changed, Changed::False);
    let ended = bench.ended(first);
    assert!(ended.runs.is_empty());
    assert_eq!(bench.send(&draft).answers(), got.answers());
    assert!(!bench.disk.iter().any(|record| matches!(record,
        JournalRecord::Ended { began: true, about, .. } if about.key.order == draft.order.id)));
}

#[test]
fn queues_have_bounds() {
    let mut bench = Bench::new();
    for _ in 0..=CHANGES_WAITING_MAX {
        assert!(bench.ask(RESTART).receipts.is_empty());
    }
    assert_eq!(bench.ask(RESTART).end(), (EndState::Rejected, Some(Reason::Full)));
    let mut bench = Bench::new();
    let mut runs = Vec::new();
    for _ in 0..READS_RUNNING_MAX + READS_WAITING_MAX {
        runs.extend(bench.ask("rpcutil ping").runs);
    }
    assert_eq!(runs.len(), READS_RUNNING_MAX);
    assert_eq!(bench.ask("rpcutil ping").end(), (EndState::Rejected, Some(Reason::Full)));
    assert_eq!(bench.ended(runs[0].key()).runs.len(), 1);
    assert!(bench.ask("rpcutil ping").receipts.is_empty());
}

#[test]
fn an_older_change_of_the_same_item_is_superseded() {
    let check = |older: &str, age: u64, newer: &str, superseded: bool| {
        let mut bench = Bench::new();
        let mut old = bench.draft(older);
        old.order.start_by = old.order.issued + seconds(3600);
        bench.now = bench.now + seconds(age);
        let new = bench.draft(newer);
        let key = bench.send(&new).run();
        let _ = bench.ended(key);
        let got = bench.send(&old);
        if !superseded {
            assert_eq!(got.runs.len(), 1, "{older} after {newer}");
            return;
        }
        assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Superseded)));
        assert!(got.text().contains(&new.order.id.to_string()), "{}", got.text());
        // Nor does a restart forget it.
        bench.disk.retain(|record| record.about().is_none_or(|about| about.key == key));
        let _ = bench.restart(Vec::new());
        let _ = bench.step(Event::Connected);
        assert_eq!(bench.send(&old).end(), (EndState::Rejected, Some(Reason::Superseded)));
    };
    check(RESTART, 31, RESTART, true);
    check(RESTART, 30, RESTART, false);
    check("service restart service=mysql", 31, RESTART, false);
}

#[test]
fn the_last_changes_have_a_bound() {
    let mut bench = Bench::new();
    let key = bench.ask(RESTART).run();
    let about = bench.node.seen.get(key).unwrap().about.clone();
    let mut last = superseded::LastChanges::default();
    let numbered = |number: u64, issued: Timestamp| About {
        item: Some(number.to_string()),
        issued,
        ..about.clone()
    };
    for number in 0..LAST_CHANGES_MAX as u64 + 10 {
        last.began(&numbered(number, about.issued + seconds(number)));
    }
    assert_eq!(last.len(), LAST_CHANGES_MAX);
    // The oldest are forgotten.
    let older = |number| {
        let about = numbered(number, START);
        About { key: RunKey { order: OrderId::from_bytes([0xff; 16]), step: 0 }, ..about }
    };
    assert!(last.supersedes(&older(9)).is_none());
    assert!(last.supersedes(&older(10)).is_some());
}

#[test]
fn what_waits_does_not_start_where_the_rules_forbid_it_by_now() {
    let check = |what: &str, many: usize, rules: Rules, want: (EndState, Option<Reason>)| {
        let mut bench = Bench::new();
        let runs: Vec<_> = (0..many).map(|_| bench.ask(what).run()).collect();
        assert!(bench.ask(what).runs.is_empty());
        let _ = bench.step(Event::Reloaded(Box::new(rules)));
        let got = bench.ended(runs[0]);
        let ends = got.receipts.iter().map(|(outer, _)| (outer.state, outer.reason));
        assert!(got.runs.is_empty() && ends.eq([(EndState::Ok, None), want]), "{what}");
        assert_eq!((got.receipts[1].0.changed, got.receipts[1].0.started), (Changed::False, None));
    };
    let read_only = Rules { read_only: true, ..rules() };
    check(RESTART, 1, read_only, (EndState::Rejected, Some(Reason::ReadOnly)));
    let denied = (EndState::Denied, Some(Reason::Policy));
    let unknown = (EndState::Rejected, Some(Reason::UnknownCaller));
    for (what, many) in [(RESTART, 1), (STATUS, READS_RUNNING_MAX)] {
        check(what, many, Rules { policy: Arc::default(), ..rules() }, denied);
        check(what, many, Rules { signers: Arc::default(), ..rules() }, unknown);
    }
}

#[test]
fn one_that_is_superseded_while_it_waits_does_not_start() {
    let mut bench = Bench::new();
    let mut old = bench.draft("service restart service=a");
    old.order.start_by = old.order.issued + seconds(600);
    bench.now = bench.now + seconds(40);
    let first = bench.ask("service restart service=b").run();
    let newer = bench.draft("service restart service=a");
    assert!(bench.send(&newer).runs.is_empty());
    assert!(bench.send(&old).receipts.is_empty(), "nothing newer has begun yet");
    let second = bench.ended(first).run();
    assert_eq!(second.order, newer.order.id);
    let got = bench.ended(second);
    assert!(got.runs.is_empty());
    let ends: Vec<_> = got.receipts.iter().map(|(outer, _)| (outer.order, outer.reason)).collect();
    assert_eq!(ends, [(newer.order.id, None), (old.order.id, Some(Reason::Superseded))]);
}

#[test]
fn a_journal_that_takes_no_records_lets_nothing_start() {
    let mut bench = Bench::new();
    bench.writes = false;
    let draft = bench.draft(RESTART);
    let got = bench.send(&draft);
    let not_written = |key: JournalKey, may_stand: bool| {
        Event::NotWritten(key, "no space left".into(), MayStand(may_stand))
    };
    let refused = bench.step(not_written(got.unwritten[0], false));
    assert!(refused.runs.is_empty());
    assert!(refused.sent.iter().any(|m| m.headers.kind() == Some(Kind::Heartbeat)), "its health");
    // That it was refused is written too, if that can be.
    let got = bench.step(Event::Written(refused.unwritten[0]));
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Journal)));
    assert_eq!(got.receipts[0].0.changed, Changed::False);
    assert!(got.text().contains("no space left"));
    // If not, the next daemon does not know of it.
    let draft = bench.draft(RESTART);
    let got = bench.send(&draft);
    let refused = bench.step(not_written(got.unwritten[0], false));
    let got = bench.step(not_written(refused.unwritten[0], false));
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Journal)));
    assert_eq!(got.receipts[0].0.changed, Changed::Unknown);
    assert!(got.text().contains("the next daemon may take a copy"), "{}", got.text());
    assert_eq!(bench.send(&draft).sent, got.sent);
    // The end of what ran is said even then.
    bench.writes = true;
    let key = bench.ask(RESTART).run();
    bench.writes = false;
    let ended = bench.ended(key);
    let got = bench.step(not_written(ended.unwritten[0], false));
    assert_eq!(got.receipts.len(), 1);
    assert_eq!(got.receipts[0].0.state, EndState::Ok);
    // Where the record may stand there, the next daemon may start it.
    let got = bench.ask(RESTART);
    let refused = bench.step(not_written(got.unwritten[0], true));
    let got = bench.step(not_written(refused.unwritten[0], false));
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Journal)));
    assert_eq!(got.receipts[0].0.changed, Changed::Unknown);
    assert!(got.text().contains("may stand there all the same"), "{}", got.text());
}

#[test]
fn what_ends_without_a_connection_is_said_when_it_stands_again() {
    let mut bench = Bench::new();
    let key = bench.ask(RESTART).run();
    let _ = bench.step(Event::Disconnected);
    assert!(bench.pass(seconds(20)).is_silent());
    assert!(bench.ended(key).is_silent());
    let again = bench.step(Event::Connected);
    assert_eq!(again.end(), (EndState::Ok, None));
    assert_eq!(again.order, ["heartbeat", "receipt"]);
}

#[test]
fn what_may_have_gone_into_a_dead_connection_is_said_again() {
    let check = |quiet: u64, away: u64, receipts: usize| {
        let mut bench = Bench::new();
        let key = bench.ask(RESTART).run();
        let sent = bench.ended(key);
        // Whoever waits for a read asks again.
        let read = bench.ask("rpcutil ping").run();
        assert_eq!(bench.ended(read).answers().len(), 1);
        bench.now = bench.now + seconds(quiet);
        assert!(bench.step(Event::Disconnected).is_silent());
        bench.now = bench.now + seconds(away);
        let again = bench.step(Event::Connected);
        assert_eq!(
            again.answers().len(),
            receipts,
            "{quiet} s, then {away} s without a connection"
        );
        assert!(again.answers().iter().all(|answer| **answer == *sent.answers()[0]));
        // Once for each connection that turned out to be dead.
        assert!(bench.step(Event::Tick).answers().is_empty());
    };
    check(0, 1, 1);
    check(60, 3600, 1);
    check(61, 1, 0);
}

#[test]
fn a_clock_that_is_set_back_silences_nothing() {
    let mut bench = Bench::new();
    let key = bench.ask(RESTART).run();
    bench.now = bench.now - seconds(20);
    let got = bench.pass(seconds(16));
    assert!(!got.progress.is_empty());
    assert!(got.sent.iter().any(|message| message.headers.kind() == Some(Kind::Heartbeat)));
    assert_eq!(bench.ended(key).end(), (EndState::Ok, None));
}

#[test]
fn a_clock_that_is_set_back_gives_no_more_time_to_start() {
    let mut bench = Bench::new();
    let first = bench.ask("service restart service=a").run();
    let waits = bench.draft("service restart service=b");
    assert!(bench.send(&waits).runs.is_empty());
    bench.now = bench.now - seconds(3600);
    let got = bench.pass(seconds(45));
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Expired)));
    assert!(bench.ended(first).runs.is_empty());
}

#[test]
fn what_a_change_says_of_itself_goes_to_its_readers_alone() {
    let mut bench = Bench::new();
    let waits = "dpkg lock, pid 812 apt";
    waits.clone_into(&mut bench.says);
    let got = bench.ask(RESTART);
    assert_eq!((&got.progress[..], &got.said[..]), (&[Phase::Accepted][..], &["".to_owned()][..]));
    let key = got.run();
    let got = bench.pass(seconds(4));
    assert_eq!(
        (&got.progress[..], &got.said[..]),
        (&[Phase::Running; 2][..], &[waits; 2].map(str::to_owned)[..])
    );
    let seals = |got: &Got| -> Vec<String> {
        let seals = got.sent.iter().filter_map(|message| message.headers.get("Mco-Seal"));
        seals.map(str::to_owned).collect()
    };
    let [first, second] = &seals(&got)[..] else { panic!("not two: {got:?}") };
    assert_eq!(first, second, "the same again is sealed once");
    for message in &got.sent {
        assert!(!String::from_utf8_lossy(&message.body).contains("812"));
    }
    bench.says = "é".repeat(1000);
    assert_eq!(bench.pass(seconds(2)).said, ["é".repeat(128)], "cut to its limit");
    bench.says.clear();
    let got = bench.pass(seconds(2));
    assert_eq!((got.said.as_slice(), seals(&got).len()), (&["".to_owned()][..], 0));
    assert_eq!(bench.ended(key).end(), (EndState::Ok, None));
    // A word that comes behind the end says nothing.
    assert!(bench.step(Event::Said(key, Some(waits.to_owned()))).is_silent());
}

#[test]
fn a_disk_that_hangs_silences_no_change() {
    let mut bench = Bench::new();
    "dpkg lock".clone_into(&mut bench.says);
    let key = bench.ask(RESTART).run();
    assert_eq!(bench.pass(seconds(2)).said, ["dpkg lock"]);
    bench.hears = false;
    let got = bench.pass(seconds(8));
    let asked = got.order.iter().filter(|what| **what == "listen").count();
    assert_eq!((asked, got.said.as_slice()), (1, &["dpkg lock"; 3].map(str::to_owned)[..]));
    // What could not be read takes nothing back, and the next look is due in its turn.
    assert_eq!(bench.step(Event::Said(key, None)).said, ["dpkg lock"]);
    assert!(bench.step(Event::Said(key, Some("again".into()))).is_silent(), "nobody asked");
    bench.hears = true;
    bench.says.clear();
    assert_eq!(bench.pass(seconds(2)).said, [""]);
}

#[test]
fn a_change_of_an_earlier_daemon_is_listened_to() {
    let mut bench = Bench::new();
    let draft = bench.draft(RESTART);
    let key = bench.send(&draft).run();
    bench.says = "restart of nginx".into();
    let _ = bench.restart(vec![(key, Recovered::Running)]);
    let _ = bench.step(Event::Connected);
    let got = bench.pass(seconds(1));
    assert_eq!((got.progress, got.said), (vec![Phase::Running], vec![bench.says.clone()]));
}
