//! The agent that the core answers itself: how far an order is, and that it shall not begin.

use marcato_core::limits::node::BARS_PER_CALLER_MAX;
use marcato_core::limits::timing::{SKEW, START_WINDOW_MAX};
use marcato_protocol::receipt::SignedReceipt;
use serde_json::{Value, json};

use super::*;

const RESTART: &str = "service restart service=nginx";
const CANCELLED: (EndState, Option<Reason>) = (EndState::Cancelled, Some(Reason::Operator));
const OK: (EndState, Option<Reason>) = (EndState::Ok, None);
const UNCHANGED: (EndState, Option<Reason>) = (EndState::Ok, Some(Reason::Unchanged));
const RUNS: (EndState, Option<Reason>) = (EndState::Failed, Some(Reason::StillRunning));
const DENIED: (EndState, Option<Reason>) = (EndState::Denied, Some(Reason::Policy));

impl Bench {
    fn about(&mut self, action: &str, order: &Draft) -> Draft {
        self.draft(&format!("job {action} order={}", order.order.id))
    }

    fn cancel(&mut self, order: &Draft) -> Got {
        let draft = self.about("cancel", order);
        self.send(&draft)
    }

    /// What is said of an order's progress, but for its receipt.
    fn progress_of(&mut self, order: &Draft) -> Value {
        let draft = self.about("progress", order);
        let got = self.send(&draft);
        assert_eq!(got.end(), OK);
        let mut data = got.receipts[0].1.data.clone();
        data.remove("receipt");
        Value::Object(data)
    }
}

/// The answer to a cancel, and the ends that came with it.
fn ends(got: &Got) -> Vec<(EndState, Option<Reason>)> {
    got.receipts.iter().map(|(outer, _)| (outer.state, outer.reason)).collect()
}

fn state(got: &Got, of: usize) -> &str {
    got.receipts[of].1.data["state"].as_str().unwrap()
}

#[test]
fn what_waits_is_cancelled_past_what_runs() {
    let mut bench = Bench::new();
    let first = bench.draft("service restart service=a");
    let run = bench.send(&first).run();
    let second = bench.draft("service restart service=b");
    assert!(bench.send(&second).runs.is_empty());
    let got = bench.cancel(&second);
    assert_eq!(ends(&got), [CANCELLED, OK]);
    let (outer, inner) = &got.receipts[0];
    assert_eq!((outer.changed, outer.started), (Changed::False, None));
    assert_eq!(inner.message, "ops cancelled it");
    assert_eq!(state(&got, 1), "cancelled");
    assert!(bench.ended(run).runs.is_empty(), "it has left the lane");
    assert_eq!(ends(&bench.send(&second)), [CANCELLED]);
    let again = bench.cancel(&second);
    assert_eq!((ends(&again), state(&again, 0)), (vec![UNCHANGED], "ended"));
    assert_eq!(again.receipts[0].1.data["end"], "cancelled");
}

#[test]
fn nothing_is_answered_before_it_is_written_down() {
    let mut bench = Bench::new();
    bench.writes = false;
    let change = bench.draft(RESTART);
    let accepted = bench.send(&change);
    // Its own record is still on its way to the disk.
    let got = bench.cancel(&change);
    assert_eq!(got.order, ["write", "write"]);
    assert!(bench.step(Event::Written(accepted.unwritten[0])).runs.is_empty());
    let barred = bench.step(Event::Written(got.unwritten[0]));
    assert_eq!(barred.order, ["write"], "the cancel's own end");
    assert_eq!(bench.step(Event::Written(got.unwritten[1])).end(), CANCELLED);
    assert_eq!(bench.step(Event::Written(barred.unwritten[0])).end(), OK);
}

#[test]
fn what_runs_is_left_and_what_ended_has_ended() {
    let mut bench = Bench::new();
    let change = bench.draft(RESTART);
    let run = bench.send(&change).run();
    let began = bench.now;
    let got = bench.cancel(&change);
    assert_eq!((ends(&got), state(&got, 0)), (vec![RUNS], "running"));
    assert_eq!(bench.progress_of(&change), json!({ "state": "running", "since": began }));
    bench.now = bench.now + seconds(2);
    assert_eq!(bench.ended(run).end(), OK);
    let got = bench.cancel(&change);
    assert_eq!((ends(&got), state(&got, 0)), (vec![UNCHANGED], "ended"));
    assert_eq!(got.receipts[0].1.data["end"], "ok");
    let ended = json!({
        "state": "ended", "end": "ok", "changed": "false", "finished": began + seconds(2),
    });
    assert_eq!(bench.progress_of(&change), ended);
}

#[test]
fn what_comes_after_its_cancel_never_begins() {
    let mut bench = Bench::new();
    let change = bench.draft(RESTART);
    let got = bench.cancel(&change);
    assert_eq!((ends(&got), state(&got, 0)), (vec![OK], "barred"));
    assert_eq!(bench.progress_of(&change), json!({ "state": "barred" }));
    let again = bench.cancel(&change);
    assert_eq!((ends(&again), state(&again, 0)), (vec![UNCHANGED], "barred"));
    // Not by the next daemon either.
    let _ = bench.restart(Vec::new());
    let _ = bench.step(Event::Connected);
    let got = bench.send(&change);
    assert_eq!((got.end(), got.text()), (CANCELLED, "ops cancelled it"));
    let _ = bench.restart(Vec::new());
    let _ = bench.step(Event::Connected);
    assert_eq!(bench.send(&change).sent[0].body, got.sent[0].body);
    // A read too, whose end no journal keeps.
    let read = bench.draft("service status service=nginx");
    let _ = bench.cancel(&read);
    assert_eq!(bench.send(&read).end(), CANCELLED);
    // Others of the same caller are none of it.
    assert_eq!(bench.ask(RESTART).runs.len(), 1);
}

#[test]
fn a_cancel_of_which_only_the_first_record_stands_is_kept_to() {
    let mut bench = Bench::new();
    let change = bench.draft(RESTART);
    let first = bench.ask("service restart service=a").run();
    assert!(bench.send(&change).runs.is_empty());
    let records = bench.disk.len();
    let _ = bench.cancel(&change);
    bench.disk.truncate(records + 1);
    assert!(matches!(bench.disk.last(), Some(JournalRecord::Barred { .. })));
    let got = bench.restart(vec![(first, Recovered::Running)]);
    assert!(got.runs.is_empty());
    let connected = bench.step(Event::Connected);
    assert_eq!(ends(&connected), [CANCELLED]);
    assert!(bench.ended(first).runs.is_empty());
}

#[test]
fn a_disk_that_takes_nothing_cancels_nothing_for_long() {
    let mut bench = Bench::new();
    let _ = bench.ask("service restart service=a").run();
    let change = bench.draft(RESTART);
    assert!(bench.send(&change).runs.is_empty());
    bench.writes = false;
    let got = bench.cancel(&change);
    let full = |key| Event::NotWritten(key, "no space".into(), MayStand(false));
    let barred = bench.step(full(got.unwritten[0]));
    let ended = bench.step(full(got.unwritten[1]));
    assert_eq!(ended.end(), CANCELLED);
    assert_eq!(ended.receipts[0].0.changed, Changed::Unknown);
    let answer = bench.step(Event::Written(barred.unwritten[0]));
    assert_eq!(answer.end(), (EndState::Failed, Some(Reason::Journal)));
    assert!(answer.text().contains("no space; the next daemon may begin it"));
    assert_eq!(answer.receipts[0].0.changed, Changed::Unknown);
}

#[test]
fn his_own_orders_everybody_may_cancel_and_others_by_a_rule() {
    let guest = |draft: Draft| {
        let mut draft = draft;
        (draft.order.caller, draft.signer) = ("guest".parse().unwrap(), 2);
        draft
    };
    let mut bench = Bench::new();
    let first = bench.draft("service restart service=a");
    let _ = bench.send(&first);
    bench.says = "checking a".into();
    let _ = bench.pass(seconds(2));
    assert_eq!(bench.progress_of(&first)["doing"], "checking a");
    let change = bench.draft(RESTART);
    assert!(bench.send(&change).runs.is_empty());
    for action in ["cancel", "progress"] {
        let draft = guest(bench.about(action, &change));
        let got = bench.send(&draft);
        assert_eq!(got.end(), DENIED, "{action}");
        let rule = format!("allow callers=guest agents=job actions={action}");
        assert!(got.text().ends_with(&rule), "{}", got.text());
    }
    // What has not come he may forbid, and it is his own alone that he forbids.
    let later = bench.draft(RESTART);
    let draft = guest(bench.about("cancel", &later));
    assert_eq!(bench.send(&draft).end(), OK);
    assert!(bench.send(&later).receipts.is_empty());
    let own = guest(bench.draft(RESTART));
    let draft = guest(bench.about("cancel", &own));
    assert_eq!(bench.send(&draft).end(), OK);
    assert_eq!(bench.send(&own).end(), CANCELLED);

    let rule = "allow callers=guest agents=job actions=*\nallow callers=ops agents=* actions=*";
    bench.rules.policy = Arc::new(Policy::parse(&[("x".into(), rule.into())]).unwrap());
    let _ = bench.step(Event::Reloaded(Box::new(bench.rules.clone())));
    let draft = guest(bench.about("progress", &first));
    let others = bench.send(&draft).receipts[0].1.data.clone();
    assert_eq!((&others["state"], others.get("doing")), (&json!("running"), None));
    let draft = guest(bench.about("cancel", &change));
    let got = bench.send(&draft);
    assert_eq!(ends(&got), [CANCELLED, OK]);
    assert_eq!(got.receipts[0].1.message, "guest cancelled it");
    let later = bench.draft(RESTART);
    let draft = guest(bench.about("cancel", &later));
    assert_eq!(bench.send(&draft).end(), OK);
    assert_eq!(bench.send(&later).end(), CANCELLED);
}

#[test]
fn progress_carries_the_receipt() {
    let mut bench = Bench::new();
    let change = bench.draft(RESTART);
    assert_eq!(bench.progress_of(&change), json!({ "state": "unknown" }));
    let run = bench.send(&change).run();
    let waits = bench.draft(RESTART);
    let _ = bench.send(&waits);
    let behind = json!({
        "state": "waiting", "since": bench.now, "doing": "another change of service runs here",
    });
    assert_eq!(bench.progress_of(&waits), behind);
    let ended = bench.ended(run);
    let draft = bench.about("progress", &change);
    let got = bench.send(&draft);
    let receipt = got.receipts[0].1.data["receipt"].clone();
    let receipt: SignedReceipt = serde_json::from_value(receipt).unwrap();
    assert_eq!(receipt.message(String::new(), None).body, ended.answers()[0].body);
}

#[test]
fn a_node_that_takes_no_changes_any_more_takes_a_cancel() {
    let mut bench = Bench::new();
    let _ = bench.ask("service restart service=a");
    let change = bench.draft(RESTART);
    assert!(bench.send(&change).runs.is_empty());
    let _ = bench.step(Event::Reloaded(Box::new(Rules { read_only: true, ..rules() })));
    assert_eq!(ends(&bench.cancel(&change)), [CANCELLED, OK]);
}

#[test]
fn what_is_cancelled_often_is_kept_once_and_what_is_known_for_its_own_time() {
    let mut bench = Bench::new();
    let later = bench.draft(RESTART);
    for _ in 0..3 {
        let _ = bench.cancel(&later);
    }
    let known = bench.draft(RESTART);
    let _ = bench.send(&known);
    let _ = bench.cancel(&known);
    let barred = |bench: &Bench, at: Timestamp| {
        let kept = retain(bench.disk.clone(), at);
        kept.iter().filter(|record| matches!(record, JournalRecord::Barred { .. })).count()
    };
    assert_eq!((bench.node.held().bars, barred(&bench, bench.now)), (2, 2));
    let _ = bench.pass(seconds(100));
    assert_eq!((bench.node.held().bars, barred(&bench, bench.now)), (1, 1));
}

#[test]
fn bars_have_bounds_and_an_end() {
    let mut bench = Bench::new();
    for _ in 0..BARS_PER_CALLER_MAX {
        let order = bench.draft(RESTART);
        assert_eq!(bench.cancel(&order).end(), OK);
    }
    let order = bench.draft(RESTART);
    assert_eq!(bench.cancel(&order).end(), (EndState::Rejected, Some(Reason::Full)));
    assert_eq!(bench.node.held().bars, BARS_PER_CALLER_MAX);
    let steps = (START_WINDOW_MAX + SKEW + SKEW).as_ms() / 60_000 + 2;
    assert_eq!(retain(bench.disk.clone(), bench.now + START_WINDOW_MAX).len(), BARS_PER_CALLER_MAX);
    for _ in 0..steps {
        bench.now = bench.now + seconds(60);
        let _ = bench.step(Event::Tick);
    }
    assert_eq!(bench.node.held().bars, 0);
    assert!(retain(bench.disk.clone(), bench.now).is_empty());
}
