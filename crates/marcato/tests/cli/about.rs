//! The commands about the product itself: what may be done, what agents declare, what is wrong.

use std::process::Command;

use rustix::process::Signal;

use crate::kit::{Lab, mco, transcript, words};

#[test]
fn what_may_be_done() {
    let lab = Lab::up(3);
    insta::assert_snapshot!(lab.session(&[
        "can package.status -I web1.example.com",
        "can service.restart",
        "can service.restart -I this-machine",
        "can service.restart -I this-machine --json",
        "package openssl status -A service -I this-machine",
        "can policy.can -I web1.example.com",
        "can service.nosuch -I web1.example.com",
        "can service",
    ]));
}

#[test]
fn what_agents_declare() {
    let home = tempfile::tempdir().unwrap();
    let type_ = |line: &str| {
        let output = mco(home.path()).args(words(line)).output().unwrap();
        transcript(line, &output, home.path())
    };
    insta::assert_snapshot!(
        [
            type_("plugin doc rpcutil get_fact"),
            type_("plugin doc job cancel --json"),
            type_("plugin doc rpcutl"),
            type_("plugin doc rpcutil pong"),
        ]
        .join("\n")
    );
    let all = type_("plugin doc");
    for agent in ["job 1.", "package 1.", "policy 1.", "rpcutil 1.", "service 1."] {
        assert!(all.contains(&format!("\n{agent}")), "{agent}: {all}");
    }
}

#[test]
fn a_doctor_says_what_is_wrong() {
    let lab = Lab::up(3);
    let well = [lab.type_("doctor"), lab.type_("doctor -q")].join("\n");
    lab.signal_nodes(Signal::STOP);
    let silent = lab.type_("doctor -q");
    lab.signal_nodes(Signal::CONT);
    let config = std::fs::read_to_string(lab.config()).unwrap();
    let other = lab.home().join("other.toml");
    std::fs::write(&other, config.replace("caller = \"", "caller = \"no")).unwrap();
    let with_other = || {
        let output = lab.mco("doctor --config other.toml").output().unwrap();
        transcript("doctor --config other.toml", &output, lab.home())
    };
    let stranger = with_other();
    std::fs::write(&other, config.replace("operator", "nosuch")).unwrap();
    let keyless = with_other();
    let gone = lab.type_("doctor --broker nats://127.0.0.1:1 --json");
    let home = tempfile::tempdir().unwrap();
    let nothing = mco(home.path()).arg("doctor").output().unwrap();
    let nothing = transcript("doctor", &nothing, home.path());
    insta::assert_snapshot!([well, silent, stranger, keyless, gone, nothing].join("\n"));
}

/// What is wrong with one node's facts when it starts is told here, and does not change what it is.
#[test]
fn nodes_that_are_not_well_are_named() {
    let lab = Lab::up(2);
    let name = "web1.example.com";
    let facts = lab.home().join(format!("lab/nodes/{name}/etc/facts.yaml"));
    assert!(lab.lab(&["break", name, "down"]).status.success());
    std::fs::write(facts, "role: web\nhagroup: [\n").unwrap();
    assert!(lab.lab(&["mend", name]).status.success());
    let told =
        lab.session(&["doctor", "doctor -q --json", "find -F hagroup=a", "rpc rpcutil ping"]);
    let inventory = lab.type_(&format!("inventory {name}"));
    let head: Vec<&str> = inventory.lines().take_while(|line| *line != "  facts").collect();
    insta::assert_snapshot!(format!("{told}\n{}", head.join("\n")));
}

/// A lab's node has the files of a real one, but for its folder of agents.
#[test]
fn a_nodes_doctor_says_what_is_wrong() {
    let lab = Lab::up(1);
    let text = std::fs::read_to_string(lab.home().join("lab/lab.json")).unwrap();
    let running: serde_json::Value = serde_json::from_str(&text).unwrap();
    let address = running["address"].as_str().unwrap();
    let (config, state) = (lab.home().join("etc"), lab.home().join("state"));
    std::fs::create_dir_all(config.join("policy.d")).unwrap();
    let doctor = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcod"));
        command.arg("doctor").arg("--config").arg(&config).arg("--state").arg(&state);
        let output = command.env_clear().env("NO_COLOR", "1").output().unwrap();
        let text = transcript("doctor", &output, lab.home()).replace("$ mco ", "$ mcod ");
        // Of this machine, which is none of a fleet.
        let lines = text.lines().filter(|line| !line.contains("/etc/machine-id"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let nothing = doctor();
    let authority = std::fs::read_to_string(lab.home().join("lab/authority.pub")).unwrap();
    let node = format!(
        "collective = 'lab'\nbroker = 'nats://{address}'\nauthority = '{}'\nidentity = 'web1'\n",
        authority.trim()
    );
    std::fs::write(config.join("node.toml"), node).unwrap();
    std::fs::write(config.join("allowed_signers"), format!("ops {authority}")).unwrap();
    std::fs::write(config.join("policy.d/a.policy"), "allow callers=* agents=* actions=*\n")
        .unwrap();
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("clock"), "2999-01-01T00:00:00.000Z\n").unwrap();
    let facts = regex::Regex::new(r"\d+ facts").unwrap();
    let unjoined = facts.replace(&doctor(), "N facts").into_owned();
    insta::assert_snapshot!([nothing, unjoined].join("\n"));
}
