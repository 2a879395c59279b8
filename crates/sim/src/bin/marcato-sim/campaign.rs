//! Many runs on several threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use marcato_sim::coverage::Coverage;
use marcato_sim::plan::ORDERS_MIN;
use marcato_sim::run::{Case, Verdict};

/// How many verdicts wait for whoever counts them.
const VERDICTS_MAX: usize = 16;

/// How many failed runs are remembered; more help nobody.
const FAILED_MAX: usize = 20;

/// What many runs showed.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many there were.
    pub runs: u64,
    /// How many effects all programs did.
    pub effects: u64,
    /// What occurred.
    pub coverage: Coverage,
    /// The first violation that each checker found.
    pub caught: BTreeMap<&'static str, String>,
    /// The first runs with violations, and the first violation of each.
    pub failed: Vec<(Case, String)>,
    /// How many runs had violations.
    pub failures: u64,
    /// Seeds in which fewer orders were signed than a run must have, and how many.
    pub thin: Vec<(u64, usize)>,
}

/// Runs cases on so many threads until there are no more, or `go_on` says that it is enough. It is
/// asked after each run.
pub fn run_all(
    cases: impl Fn(u64) -> Option<Case> + Sync,
    threads: usize,
    mut go_on: impl FnMut(&Tally) -> bool,
) -> Tally {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let (sender, verdicts) = sync_channel(VERDICTS_MAX);
        for _ in 0..threads {
            let (sender, next, stop, cases) = (sender.clone(), &next, &stop, &cases);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed)
                    && let Some(case) = cases(next.fetch_add(1, Ordering::Relaxed))
                    && sender.send((case, case.run(false))).is_ok()
                {}
            });
        }
        drop(sender);
        for (case, verdict) in verdicts {
            tally.take(case, &verdict);
            if !go_on(&tally) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    tally.failed.sort_by_key(|(case, _)| case.arguments());
    tally
}

impl Tally {
    fn take(&mut self, case: Case, verdict: &Verdict) {
        self.runs += 1;
        self.effects += verdict.effects;
        self.coverage.add(&verdict.coverage);
        if let Case::Seed(seed) = case
            && verdict.orders < ORDERS_MIN
        {
            self.thin.push((seed, verdict.orders));
        }
        for violation in &verdict.violations {
            self.caught.entry(violation.checker).or_insert_with(|| violation.to_string());
        }
        if let Some(first) = verdict.violations.first() {
            self.failures += 1;
            if self.failed.len() < FAILED_MAX {
                let more = verdict.violations.len() - 1;
                self.failed.push((case, format!("{first} (and {more} more)")));
            }
        }
    }
}
