//! A daemon that died: whatever stands on the disk, nothing runs twice and every end is true.

use marcato_agent::Outcome;
use marcato_core::Changed;
use marcato_core::limits::timing::SKEW;

use super::*;

const RESTART: &str = "service restart service=nginx";

/// A change was accepted and the daemon died; so its run stood, and so much later came the next
/// daemon. What did that one do and say?
fn check(
    run: Option<Recovered>,
    later: u64,
    runs_again: bool,
    end: Option<(EndState, Option<Reason>, Changed)>,
) {
    let mut bench = Bench::new();
    let draft = bench.draft(RESTART);
    let key = bench.send(&draft).run();
    assert_eq!(bench.disk.len(), 1);
    bench.now = bench.now + seconds(later);
    let is_running = run == Some(Recovered::Running);
    let started = bench.restart(run.clone().map(|run| (key, run)).into_iter().collect());
    assert_eq!(started.runs.len(), usize::from(runs_again), "{run:?} after {later} s");
    assert!(started.sent.is_empty(), "there is no connection yet");
    let connected = bench.step(Event::Connected);
    // A copy of the order finds out nothing else.
    let copy = bench.send(&draft);
    assert!(copy.runs.is_empty());
    let end_got = |got: &Got| {
        let (outer, _) = &got.receipts[0];
        (outer.state, outer.reason, outer.changed)
    };
    match end {
        Some(end) => {
            assert_eq!(end_got(&connected), end, "{run:?} after {later} s");
            assert_eq!(copy.sent[..], connected.sent[connected.sent.len() - 1..]);
            assert!(matches!(bench.disk[..], [_, JournalRecord::Ended { .. }]));
        }
        None => {
            assert_eq!((copy.receipts.len(), copy.progress.len()), (0, 1));
            assert!(is_running || runs_again);
            let ended = bench.ended(key);
            assert_eq!(end_got(&ended).0, EndState::Ok);
        }
    }
    // The daemon after that one says the same again.
    let receipt = bench.send(&draft).sent;
    assert_eq!(receipt.len(), 1);
    let _ = bench.restart(Vec::new());
    let again = bench.step(Event::Connected);
    assert_eq!(again.order, ["heartbeat", "receipt"], "it may not have gone out before");
    // It carries the certificate too, which the order did not ask for.
    assert_eq!(again.sent[1].body, receipt[0].body);
    assert_eq!(bench.send(&draft).sent[0].body, receipt[0].body);
}

#[test]
fn accepted_without_an_end() {
    let finished = || {
        let changed = Outcome::ok(Map::new()).changing(Changed::True);
        Some(Recovered::Finished(changed))
    };
    let ok = Some((EndState::Ok, None, Changed::True));
    check(finished(), 5, false, ok);
    check(finished(), 5000, false, ok);
    check(Some(Recovered::Running), 5, false, None);
    check(Some(Recovered::Running), 5000, false, None);
    let gone = Some((EndState::Interrupted, Some(Reason::RunnerGone), Changed::Unknown));
    check(Some(Recovered::Gone), 5, false, gone);
    check(Some(Recovered::Gone), 5000, false, gone);
    check(Some(Recovered::NeverStarted), 5, true, None);
    check(None, 40, true, None);
    let expired = Some((EndState::Rejected, Some(Reason::Expired), Changed::False));
    check(None, 41, false, expired);
    check(Some(Recovered::NeverStarted), 5000, false, expired);
}

#[test]
fn rules_that_changed_meanwhile_hold_for_what_never_started() {
    let check = |rules: Rules, state: EndState, reason: Reason| {
        let mut bench = Bench::new();
        let draft = bench.draft(RESTART);
        let _ = bench.send(&draft);
        bench.rules = rules;
        assert!(bench.restart(Vec::new()).runs.is_empty());
        let got = bench.step(Event::Connected);
        assert_eq!(got.end(), (state, Some(reason)));
        assert_eq!(bench.disk.len(), 2);
        assert!(matches!(bench.disk[1], JournalRecord::Ended { began: false, .. }));
    };
    let none = Rules { policy: Arc::default(), ..rules() };
    check(none, EndState::Denied, Reason::Policy);
    let nobody = Rules { signers: Arc::default(), ..rules() };
    check(nobody, EndState::Rejected, Reason::UnknownCaller);
    check(Rules { read_only: true, ..rules() }, EndState::Rejected, Reason::ReadOnly);
    let without = Rules { agents: BTreeMap::new(), ..rules() };
    check(without, EndState::Rejected, Reason::UnknownAgent);
    // What the facts are by now is not asked: it was asked when it came in.
    let mut bench = Bench::new();
    let mut draft = bench.draft(RESTART);
    draft.step.filter.facts = vec!["role=web".into()];
    let _ = bench.send(&draft);
    bench.rules.facts = Arc::default();
    assert_eq!(bench.restart(Vec::new()).runs.len(), 1);
}

#[test]
fn changes_that_never_started_keep_their_order_behind_those_that_run() {
    let mut bench = Bench::new();
    let first = bench.ask("service restart service=a").run();
    let second = bench.draft("service restart service=b");
    let third = bench.draft("service restart service=c");
    let _ = (bench.send(&second), bench.send(&third));
    assert!(bench.restart(vec![(first, Recovered::Running)]).runs.is_empty());
    let _ = bench.step(Event::Connected);
    let key = bench.ended(first).run();
    assert_eq!(key.order, second.order.id);
    assert_eq!(bench.ended(key).run().order, third.order.id);
}

#[test]
fn refused_changes_stay_refused_over_a_restart() {
    let mut bench = Bench::new();
    let draft = bench.draft("service wipe");
    let denied = bench.send(&draft);
    assert_eq!(denied.end(), (EndState::Denied, Some(Reason::Policy)));
    bench.rules.policy = Arc::new(
        Policy::parse(&[("all".into(), "allow callers=* agents=* actions=*".into())]).unwrap(),
    );
    let _ = bench.restart(Vec::new());
    let _ = bench.step(Event::Connected);
    let again = bench.send(&draft);
    assert!(again.runs.is_empty());
    assert_eq!(again.sent[0].body, denied.sent[0].body);
    assert_eq!(bench.ask("service wipe").runs.len(), 1);
}

#[test]
fn behind_a_damaged_journal_nothing_old_runs() {
    let mut bench = Bench::new();
    let unstarted = bench.draft(RESTART);
    let _ = bench.send(&unstarted);
    let lost = bench.draft(RESTART);
    bench.now = bench.now + seconds(5);
    bench.disk.push(JournalRecord::Damaged { at: bench.now });
    assert!(bench.restart(Vec::new()).runs.is_empty());
    let got = bench.step(Event::Connected);
    assert_eq!(got.end(), (EndState::Interrupted, Some(Reason::RunnerGone)));
    let got = bench.send(&lost);
    assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Journal)));
    assert_eq!(got.receipts[0].0.changed, Changed::Unknown);
    // The operator's clock may be ahead of the node's: this one may be older than the damage too.
    bench.now = bench.now + SKEW;
    assert_eq!(bench.ask(RESTART).end(), (EndState::Rejected, Some(Reason::Journal)));
    bench.now = bench.now + seconds(1);
    assert_eq!(bench.ask(RESTART).runs.len(), 1);
}

#[test]
fn behind_a_damaged_journal_an_expired_change_may_have_run() {
    let mut bench = Bench::new();
    let old = bench.draft(RESTART);
    let read = bench.draft("service status service=nginx");
    bench.disk.push(JournalRecord::Damaged { at: bench.now });
    let _ = bench.restart(Vec::new());
    let _ = bench.step(Event::Connected);
    bench.now = bench.now + seconds(3600);
    let new = bench.draft(RESTART);
    bench.now = bench.now + seconds(3600);
    let mut check = |draft, want: Changed| {
        let got = bench.send(draft);
        assert_eq!(got.end(), (EndState::Rejected, Some(Reason::Expired)));
        assert_eq!(got.receipts[0].0.changed, want);
    };
    check(&old, Changed::Unknown);
    check(&read, Changed::False);
    check(&new, Changed::False);
}

#[test]
fn the_journal_keeps_what_is_needed() {
    let mut bench = Bench::new();
    let days = |days: u64| seconds(days * 24 * 3600);
    let first = bench.ask("service restart service=a").run();
    let _ = bench.ended(first);
    let second = bench.ask("service restart service=a").run();
    let _ = bench.ended(second);
    let refused = bench.draft("service wipe");
    assert_eq!(bench.send(&refused).end().0, EndState::Denied);
    let third = bench.ask("service restart service=b").run();
    assert_eq!(bench.disk.len(), 6);
    let kept = |at: Timestamp| -> Vec<RunKey> {
        let records = retain(bench.disk.clone(), at);
        let about = |record: &JournalRecord| record.about().unwrap().key;
        records.iter().map(about).collect()
    };
    let refused_key = RunKey { order: refused.order.id, step: 0 };
    assert_eq!(kept(bench.now), [first, second, refused_key, third]);
    let startable = refused.order.start_by + SKEW + SKEW;
    assert_eq!(kept(startable), [first, second, refused_key, third]);
    assert_eq!(kept(startable + Span::from_ms(1)), [first, second, third]);
    assert_eq!(kept(bench.now + days(2)), [second, third]);
    assert_eq!(kept(bench.now + days(31)), [third]);
}

#[test]
fn records_read_back_as_they_were_written() {
    let mut bench = Bench::new();
    let key = bench.ask(RESTART).run();
    let _ = bench.ended(key);
    bench.disk.push(JournalRecord::Damaged { at: START });
    for record in &bench.disk {
        let text = serde_json::to_string(record).unwrap();
        assert_eq!(serde_json::from_str::<JournalRecord>(&text).unwrap(), *record);
    }
}
