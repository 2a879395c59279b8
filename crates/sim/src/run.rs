//! One run: from its plan to its verdict.

use marcato_protocol::digest::Digest;

use crate::checkers::{self, Violation};
use crate::coverage::Coverage;
use crate::plan::{CrashOf, Plan};
use crate::world::World;

/// What a run showed.
#[derive(Debug)]
pub struct Verdict {
    /// Stands for everything that happened: the same seed gives the same.
    pub trace: Digest,
    /// The trace as text, where it was asked for.
    pub lines: Vec<String>,
    /// What was wrong.
    pub violations: Vec<Violation>,
    /// What occurred.
    pub coverage: Coverage,
    /// How many effects all programs did.
    pub effects: u64,
}

/// Runs a plan and checks what happened.
#[must_use]
pub fn run(plan: Plan, keep_trace: bool) -> Verdict {
    let mut world = World::new(plan, keep_trace);
    world.run();
    Verdict {
        violations: checkers::check(&world.truth),
        trace: world.trace.hash(),
        lines: world.trace.lines().to_vec(),
        effects: world.effects(),
        coverage: world.coverage,
    }
}

/// Runs a seed.
#[must_use]
pub fn seed(seed: u64, keep_trace: bool) -> Verdict {
    run(Plan::draw(seed), keep_trace)
}

/// The small run of which every effect can be crashed, with that effect, if any, as the last of
/// its doer.
#[must_use]
pub fn crashed(seed: u64, after: Option<(u64, CrashOf)>, keep_trace: bool) -> Verdict {
    run(Plan { crash_after: after, ..Plan::small(seed) }, keep_trace)
}
