//! What stands between a slip and the fleet.

use crate::kit::{Lab, on_terminal};

#[test]
fn a_surprising_count_sends_nothing() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "service nginx restart -W hagroup=c --yes --expect 3",
        "service nginx restart -W hagroup=c --yes --expect 10..20",
        "service nginx restart -W hagroup=c --yes --expect 1..2",
        "ping --expect 1 -q -I web1.example.com",
        "ping --expect 1",
    ]));
    // What was refused has no job.
    assert_eq!(std::fs::read_dir(lab.home().join("lab/state/jobs")).unwrap().count(), 2);
}

#[test]
fn the_whole_fleet_wants_more_than_a_yes() {
    let lab = Lab::up(2);
    let see = |words: &str, answers: &[(&str, &str)]| {
        format!("$ mco {words}\n{}", on_terminal(&lab.mco(words), answers, lab.home()))
    };
    insta::assert_snapshot!(
        [
            lab.type_("service nginx restart --yes"),
            lab.type_("service nginx restart"),
            lab.type_("service nginx restart --all --yes"),
            see("service nginx restart --yes", &[("go on:", "y\n")]),
            see("service nginx restart --yes", &[("go on:", "2\n")]),
            see("service nginx restart --all --yes", &[]),
            lab.type_("service nginx restart --limit 100% --yes"),
            lab.type_("service nginx restart --limit 1000"),
            lab.type_("service nginx restart --limit 1 --yes"),
            see("service nginx restart --limit 1000 --yes", &[("go on:", "y\n")]),
        ]
        .join("\n")
    );
}
