//! The same seed gives the same run to the byte, another seed another one, and a few runs of each
//! kind hold what must hold.

use marcato_core::EndState;
use marcato_sim::checkers;
use marcato_sim::coverage::Group;
use marcato_sim::plan::Plan;
use marcato_sim::run::{self, Case, Verdict, all_crashes};
use marcato_sim::world::World;

#[test]
fn a_seed_is_replayed_to_the_byte() {
    let (first, again) = (run::seed(3, true), run::seed(3, false));
    assert_eq!(first.trace, again.trace);
    assert_eq!((first.effects, &first.coverage), (again.effects, &again.coverage));
    assert!(first.lines.len() > 1000 && again.lines.is_empty());
    assert_ne!(run::seed(4, false).trace, first.trace);
}

#[test]
fn a_few_runs_hold() {
    for seed in 0..6 {
        assert_eq!(run::seed(seed, false).violations, [], "cargo xtask sim --seed {seed}");
    }
    let crashes = all_crashes();
    for case in crashes.iter().step_by(crashes.len() / 20) {
        let arguments = Case::arguments(*case);
        assert_eq!(case.run(false).violations, [], "cargo xtask sim {arguments}");
    }
}

#[test]
fn the_small_run_has_what_only_happens_when_nodes_are_away() {
    let Verdict { coverage, lines, .. } = run::crashed(0, None, true);
    for event in ["a read was signed anew", "a node was called down by the hub"] {
        assert!(coverage.get(Group::Event, event) > 0, "{event}");
    }
    for state in [EndState::NoResponse, EndState::Down] {
        assert!(coverage.get(Group::State, state.words()) > 0, "{state}");
    }
    let count = |sent: &str| lines.iter().filter(|line| line.contains(sent)).count();
    for probe in ["Hub > probe", "Command(4) > probe"] {
        assert!(count(probe) > 0, "{probe}");
    }
    assert_eq!(count("Command(5) > order mco.sim.node.app1"), 2, "copies to a silent node");
}

#[test]
fn where_nothing_goes_wrong_all_is_well() {
    let plan = Plan { outages: Vec::new(), ..Plan::small(0) };
    let (nodes, commands) = (plan.hosts.len(), plan.commands.len());
    let mut world = World::new(plan, false);
    world.run();
    assert_eq!(checkers::check(&world.truth), []);
    let reports: Vec<_> = world.truth.jobs.iter().filter_map(|job| job.report.as_ref()).collect();
    assert_eq!(reports.len(), commands);
    for (index, report) in reports.iter().enumerate() {
        let states: Vec<_> = report.nodes.iter().map(|line| line.state).collect();
        // The last but one cancels the one before it.
        let cancelled = index + 3 == commands;
        let want = if cancelled { EndState::Cancelled } else { EndState::Ok };
        assert_eq!(states, vec![want; nodes], "{}", report.action);
    }
}
