//! The same seed gives the same run to the byte, another seed another one, and a few runs of each
//! kind hold what must hold.

use marcato_sim::run::{self, Case, all_crashes};

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
