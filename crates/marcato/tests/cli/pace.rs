//! Orders that go to so many nodes at a time.

use regex::Regex;
use rustix::process::Signal;

use crate::kit::{Lab, on_terminal};

/// How long it may take follows from the agents' own limits; in words it is tested where it is said.
fn session(lab: &Lab, lines: &[&str]) -> String {
    redact(&lab.session(lines))
}

fn redact(text: &str) -> String {
    let times = Regex::new("at most [^;]+ each, valid for .+").unwrap();
    times.replace_all(text, "at most TIME each, valid for TIME").into_owned()
}

#[test]
fn so_many_at_a_time() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(session(
        &lab,
        &[
            "service nginx restart -I /web/ --yes --display failed --batch 1 --batch-sleep 0",
            "service nginx restart -I /web/ --yes --display failed --batch 34% --batch-sleep 0.1",
            "service nginx restart -I /web/ --yes --display failed --parallel 2",
            "service nginx restart -I /web/ --yes --display failed --batch 3",
            "ping -q -I /web/ --parallel 1",
            "rpc rpcutil get_fact fact=role -I /web/ --batch 2 --batch-sleep 0",
        ]
    ));
}

/// The host of the second node is broken: the third is not touched, unless it shall be.
#[test]
fn one_goes_wrong() {
    let lab = Lab::up(3);
    std::fs::write(lab.home().join("lab/nodes/web2.example.com/host/host.json"), "{}").unwrap();
    let restart = "service nginx restart -I /web/ --yes --batch 1 --batch-sleep 0";
    let text = session(
        &lab,
        &[
            restart,
            &format!("{restart} --keep-going"),
            "service nginx restart -I /web/ --yes --parallel 1",
            "service nginx status -I /web/ --batch 1 --batch-sleep 0",
        ],
    );
    // Only the ends matter here, not what the agent says.
    let said = Regex::new(r"(?m)^(web\d\S+ +(?:ok|failed +action|skipped +not-sent)).*$").unwrap();
    insta::assert_snapshot!(said.replace_all(&text, "$1"));
    let output = lab.mco(&format!("{restart} --json")).output().unwrap();
    let replies: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let why = serde_json::json!({"why": "node", "node": "web2.example.com"});
    assert_eq!((&replies["stopped"], &replies["exit"]), (&why, &2.into()));
}

/// Silence counts as going wrong; of a read the others are asked all the same.
#[test]
fn one_is_silent() {
    let lab = Lab::up(3);
    lab.signal_nodes(Signal::STOP);
    insta::assert_snapshot!(session(
        &lab,
        &[
            "service nginx restart -t 0.5 -I /web/ --yes --batch 1",
            "ping -t 0.3 -I /web/ --batch 2 --batch-sleep 0",
            "ping -t 86400 -I /web/ --batch 2",
        ]
    ));
}

#[test]
fn the_question_says_how_it_goes() {
    let lab = Lab::up(6);
    let line = "service nginx restart -I /web/ --batch 2";
    let shown = on_terminal(&lab.mco(line), &[("[y/N] ", "n\n")], lab.home());
    insta::assert_snapshot!(redact(&shown));
}

/// The wait, what was typed for the run, and the silence after it.
#[test]
fn a_turn_is_as_long_as_was_typed() {
    let lab = Lab::up(3);
    let line = "service nginx restart -I /web/ --batch 2 -t 10 --run-limit 30";
    let shown = on_terminal(&lab.mco(line), &[("[y/N] ", "n\n")], lab.home());
    assert!(shown.contains("at most 45 s each"), "{shown}");
}

#[test]
fn flags_that_mean_nothing() {
    let lab = Lab::up(1);
    insta::assert_snapshot!(lab.session(&[
        "ping --batch 0",
        "ping --batch 200%",
        "ping --batch two",
        "ping --batch 1 --batch-sleep -1",
        "ping --batch 1 --batch-sleep soon",
        "ping --batch-sleep 2",
        "ping --keep-going",
        "ping --parallel 0",
        "ping --parallel 50%",
    ]));
}
