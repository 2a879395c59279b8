//! The commands about the product itself: what may be done, what agents declare, what is wrong.

use rustix::process::Signal;

use crate::kit::{Lab, mco, transcript, words};

#[test]
fn what_may_be_done() {
    let lab = Lab::up(3);
    insta::assert_snapshot!(lab.session(&[
        "can package.status -I web1.example.com",
        "can service.restart",
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
