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
    /// How many commands came to sign an order.
    pub orders: usize,
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
        orders: world.truth.jobs.iter().filter(|job| !job.orders.is_empty()).count(),
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

/// A run that can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// A seed.
    Seed(u64),
    /// The small run, crashed after an effect.
    Crash(u64, CrashOf),
}

impl Case {
    /// Runs it.
    #[must_use]
    pub fn run(self, keep_trace: bool) -> Verdict {
        match self {
            Self::Seed(number) => seed(number, keep_trace),
            Self::Crash(effect, of) => crashed(0, Some((effect, of)), keep_trace),
        }
    }

    /// The arguments that repeat it.
    #[must_use]
    pub fn arguments(self) -> String {
        match self {
            Self::Seed(seed) => format!("--seed {seed}"),
            Self::Crash(effect, CrashOf::Daemon) => format!("--crash {effect}"),
            Self::Crash(effect, CrashOf::Host) => format!("--crash {effect} --power"),
        }
    }
}

/// Every crash of the small run: after each effect, of the program alone and of its host.
#[must_use]
pub fn all_crashes() -> Vec<Case> {
    let effects = crashed(0, None, false).effects;
    let both = |effect| [CrashOf::Daemon, CrashOf::Host].map(|of| Case::Crash(effect, of));
    (1..=effects).flat_map(both).collect()
}
