//! Runs the simulation: what `cargo xtask sim` calls.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

mod campaign;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::PossibleValuesParser;
use marcato_sim::checkers;
use marcato_sim::coverage::Group;
use marcato_sim::fault::Kind;
use marcato_sim::plan::{CrashOf, Plan};
use marcato_sim::run::{self, Case};

use crate::campaign::Tally;

/// How often the progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// How many seeds may take how long: what a stage of the continuous integration has for them.
const SEEDS_TIMED: u64 = 1000;
const SEEDS_WITHIN: Duration = Duration::from_secs(180);

/// How many seeds with too few orders are named.
const TOLD_MAX: usize = 20;

/// How many seeds are run twice to see that they give the same trace.
const REPEATED: u64 = 4;

/// A fleet in one process, virtual time, one seed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run seeds for so long instead of a number of them.
    #[arg(long)]
    minutes: Option<u64>,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Run the small fleet alone, crashed after this effect.
    #[arg(long, conflicts_with = "seed")]
    crash: Option<u64>,
    /// Let the crash be a loss of power.
    #[arg(long, requires = "crash")]
    power: bool,
    /// Show everything that happens in the one run.
    #[arg(long)]
    trace: bool,
    /// How many threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Succeed as soon as this checker finds something, fail if it does not: for altered programs.
    #[arg(long, value_name = "CHECKER", value_parser = PossibleValuesParser::new(checkers::names()))]
    until_caught: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let power = if arguments.power { CrashOf::Host } else { CrashOf::Daemon };
    let crash = arguments.crash.map(|effect| Case::Crash(effect, power));
    if let Some(case) = arguments.seed.map(Case::Seed).or(crash) {
        return one(case, arguments.trace);
    }
    if let Some(checker) = &arguments.until_caught {
        return until_caught(checker, &arguments);
    }
    let mut faults = Vec::new();
    for seed in 0..REPEATED {
        if run::seed(seed, false).trace != run::seed(seed, false).trace {
            faults.push(format!("seed {seed} gave two traces"));
        }
    }
    println!("{REPEATED} seeds gave the same trace twice each: {}", faults.is_empty());
    let crashes = run::all_crashes();
    let tally = timed("crash", &arguments, None, |index| crashes.get(index as usize).copied());
    faults.extend(told(&tally));
    let died = [Kind::NodeCrash, Kind::HostCrash, Kind::HubCrash, Kind::ClientCrash];
    let never = died.into_iter().filter(|kind| tally.coverage.get(Group::Fault, kind.name()) == 0);
    faults.extend(never.map(|kind| format!("no effect of the small run was a {}", kind.name())));
    let seeds = arguments.minutes.map_or(arguments.seeds, |_| u64::MAX);
    let until = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let seed = |index| (index < seeds).then(|| Case::Seed(arguments.first + index));
    let began = Instant::now();
    let tally = timed("seed", &arguments, until, seed);
    faults.extend(told(&tally));
    let (seconds, most) = (began.elapsed().as_secs(), SEEDS_WITHIN.as_secs());
    if until.is_none() && seeds <= SEEDS_TIMED && seconds > most {
        faults.push(format!("{seeds} seeds took {seconds} s; {SEEDS_TIMED} may take {most} s"));
    }
    let thin = tally.thin.iter().take(TOLD_MAX);
    faults.extend(thin.map(|(seed, orders)| format!("seed {seed} signed {orders} orders alone")));
    table(&tally);
    faults.extend(tally.coverage.faults());
    for fault in &faults {
        println!("FAILED {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one case and shows its verdict.
fn one(case: Case, trace: bool) -> ExitCode {
    if let Case::Seed(seed) = case {
        let plan = Plan::draw(seed);
        println!("{} nodes, {} orders", plan.hosts.len(), plan.commands.len());
        for fault in &plan.faults {
            println!("{} from {} to {} ms", fault.kind.name(), fault.from, fault.until);
        }
    }
    let verdict = case.run(trace);
    for line in &verdict.lines {
        println!("{line}");
    }
    println!("{} effects, trace {}", verdict.effects, verdict.trace);
    for violation in &verdict.violations {
        println!("VIOLATION {violation}");
    }
    if verdict.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs many cases and tells how it goes.
fn timed(
    what: &str,
    arguments: &Arguments,
    until: Option<Instant>,
    cases: impl Fn(u64) -> Option<Case> + Sync,
) -> Tally {
    let began = Instant::now();
    let mut told = began;
    let tally = campaign::run_all(cases, arguments.threads, |tally| {
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            println!("{} {what} runs, {} with violations", tally.runs, tally.failures);
        }
        until.is_none_or(|until| Instant::now() < until)
    });
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} {what} runs in {seconds:.1} s ({:.1}/s), {} effects, {} with violations",
        tally.runs,
        tally.runs as f64 / seconds,
        tally.effects,
        tally.failures
    );
    tally
}

/// The failed runs, each with the command that repeats it.
fn told(tally: &Tally) -> Vec<String> {
    let failed = tally.failed.iter();
    failed
        .map(|(case, why)| format!("cargo xtask sim {} --trace: {why}", case.arguments()))
        .collect()
}

/// Runs seeds, and crashes of the small run, until this checker finds something.
fn until_caught(checker: &str, arguments: &Arguments) -> ExitCode {
    let crashes = run::all_crashes();
    // A few seeds first, then all crashes, then more seeds.
    let case = |index: u64| match index.checked_sub(20) {
        None => Some(Case::Seed(arguments.first + index)),
        Some(more) => match crashes.get(more as usize) {
            Some(crash) => Some(*crash),
            None if index - (crashes.len() as u64) < arguments.seeds => {
                Some(Case::Seed(arguments.first + index - crashes.len() as u64))
            }
            None => None,
        },
    };
    let go_on = |tally: &Tally| !tally.caught.contains_key(checker);
    let tally = campaign::run_all(case, arguments.threads, go_on);
    match tally.caught.get(checker) {
        Some(why) => {
            println!("caught after {} runs: {why}", tally.runs);
            ExitCode::SUCCESS
        }
        None => {
            let others: Vec<&str> = tally.caught.keys().copied().collect();
            println!("not caught by {checker:?} in {} runs, but by {others:?}", tally.runs);
            ExitCode::FAILURE
        }
    }
}

/// How often everything occurred.
fn table(tally: &Tally) {
    let mut last = None;
    for (group, name, count) in tally.coverage.table() {
        if last.replace(group) != Some(group) {
            println!("\n{group:?}");
        }
        println!("  {count:>9}  {name}");
    }
    println!();
    for (state, why) in marcato_sim::coverage::STATES_ABSENT {
        println!("{:?} {state} cannot occur: {why}", Group::State);
    }
    for (reason, why) in marcato_sim::coverage::REASONS_ABSENT {
        println!("{:?} {reason} cannot occur: {why}", Group::Reason);
    }
}
