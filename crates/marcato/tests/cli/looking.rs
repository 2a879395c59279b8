//! Looking and changing, without a terminal.

use rustix::process::Signal;

use crate::kit::{Lab, mco, transcript};

#[test]
fn looking() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "find",
        "find -W hagroup=c",
        "find --json -I web1.example.com",
        "ping -I /web/",
        "package openssl status -I /example/",
        "service nginx status -W hagroup=c",
        "rpc rpcutil get_fact fact=hagroup -F hagroup>=a",
        "rpc rpcutil ping -I web1.example.com --json",
        "package openssl status -I web1.example.com --json",
        "ping -q",
    ]));
}

#[test]
fn what_nodes_tell_of_themselves() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "facts hagroup",
        "facts operatingsystemrelease -I /example/ --each",
        "facts roel",
        "facts hagroup -I this-machine",
        "inventory db2",
        "ping --graph -W hagroup=c",
    ]));
}

/// Facts differ from machine to machine; some lines are the same on each.
#[test]
fn an_inventory() {
    let lab = Lab::up(4);
    let output = lab.mco("inventory db1.example.com").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let head = text.lines().next();
    let is_there = |label: &str, value: &str| {
        text.lines().any(|line| {
            line.trim_start().strip_prefix(label).is_some_and(|rest| rest.trim_start() == value)
        })
    };
    assert_eq!((head, output.status.code()), (Some("db1.example.com"), Some(0)));
    assert!(is_there("collective", "lab") && text.contains("policy rpcutil service"), "{text}");
    assert!(is_there("role", "db") && is_there("operatingsystem", "Debian"), "{text}");
}

#[test]
fn words_in_either_order() {
    let lab = Lab::up(2);
    insta::assert_snapshot!(lab.session(&[
        "package status openssl -I web1.example.com",
        "service -I web1.example.com status nginx",
        "service status -I web1.example.com -- restart",
        "-q service nginx status -I web1.example.com",
        "-I web1.example.com --json rpcutil ping",
        "rpcutil get_fact fact=role -I web1.example.com",
    ]));
}

/// An agent that this client knows by its declaration is a command of its own.
#[test]
fn agents_are_commands() {
    let lab = Lab::up(2);
    let text = std::fs::read_to_string(lab.config()).unwrap();
    let agents = lab.home().join("agents");
    std::fs::create_dir(&agents).unwrap();
    std::fs::write(lab.config(), format!("agents = {agents:?}\n{text}")).unwrap();
    let ddl = serde_json::json!({
        "metadata": {"name": "helloworld", "description": "d", "author": "a", "license": "l",
            "version": "1.0.0", "url": "u", "timeout": 10},
        "actions": [{"action": "ping", "description": "d", "display": "always", "effect": "read",
            "input": {"msg": {"prompt": "p", "description": "what to say", "type": "string",
                "validation": "shellsafe", "optional": false, "maxlength": 90}},
            "output": {}}],
    });
    std::fs::write(agents.join("helloworld.json"), ddl.to_string()).unwrap();
    insta::assert_snapshot!(lab.session(&[
        "helloworld ping msg=x",
        "helloworld ping",
        "helloworld",
        "heloworld ping msg=x",
    ]));
}

/// A name that is nobody's beside others that are somebody's.
#[test]
fn a_name_that_is_nobodys() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "find -I web1.example.com -I wbe1.example.com",
        "find --json -I web1.example.com -I wbe1.example.com",
        "ping -q -I web1.example.com -I wbe1.example.com",
        "ping -I web1.example.com -I db7 -I wbe1.example.com -I zzz -I zzzz -I zzzzz",
        "service nginx restart -I web1.example.com -I wbe1.example.com --yes",
        "service nginx restart -I web1.example.com -I wbe1.example.com --yes --json",
        "ping -I db1.example.com -I app1.example.com -I zzz -W role=db",
        "service nginx restart -I zzz -I wbe1.example.com --yes",
        "service nginx restart -I zzz -I wbe1.example.com --yes --json",
    ]));
}

/// An operator who knows nobody, and a hub that has only just started.
#[test]
fn a_young_hub() {
    let lab = Lab::up(2);
    std::fs::remove_file(lab.home().join("lab/state/known_nodes.lab")).unwrap();
    insta::assert_snapshot!(lab.session(&[
        "find",
        "find --json -I web1.example.com",
        "find -I zzz",
        "service nginx restart -I web1.example.com --yes --json",
        "ping -q",
        "ping",
    ]));
}

#[test]
fn nothing() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "find -W hagroup=d",
        "find -F roel=web",
        "find -I web1",
        "find -I wbe1.example.com -F hagroup=z",
        "find -F hagroup=zz --json",
        "ping -W hagroup=d",
        "ping -W hagroup=d --json",
        "package nosuch status -I /example/",
        "service ngnix status -W hagroup=c",
        "rpc rpcutil get_fact fact=roel -I /example/",
        "service nginx restart --yes -I this-machine",
    ]));
}

/// A node that is silent says nothing of what it has, and keeps nobody from being told the rest.
#[test]
fn nobody_has_it() {
    let lab = Lab::up(6);
    let update = lab.type_("package opnssl update --all --yes");
    lab.lab(&["break", "db1", "down"]);
    let rest = lab.session(&[
        "package opnssl update --all --yes --allow-down",
        "package opnssl uninstall -I db1.example.com -I web1.example.com --yes",
        "service nginx status -I app1.example.com",
    ]);
    insta::assert_snapshot!(format!("{update}\n{rest}"));
}

#[test]
fn changing() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(lab.session(&[
        "service nginx restart -W hagroup=c",
        "service nginx restart -W hagroup=c --yes",
        "service nginx restart -W hagroup=c --yes --json",
        "rpc service restart service=nginx -I web1.example.com --yes -q",
    ]));
}

#[test]
fn more_than_ten_nodes_are_shown_in_groups() {
    let lab = Lab::up(24);
    insta::assert_snapshot!(lab.session(&[
        "package openssl status -I /example/",
        "service nginx status -I /example/",
        "ping --each -I /example/",
        "service nginx status --group -W role=web --limit 2",
        "service nginx status --display failed",
    ]));
}

#[test]
fn nodes_that_are_silent() {
    let lab = Lab::up(6);
    lab.signal_nodes(Signal::STOP);
    insta::assert_snapshot!(lab.session(&[
        "ping -t 0.5 -W hagroup=c",
        "ping -t 0.5 -W hagroup=c --json",
        "ping -q -t 0.5 -I web1.example.com",
        "service nginx restart -t 0.5 -W hagroup=c --yes",
    ]));
}

/// Down is known at once: nobody waits for a node that is not connected.
#[test]
fn nodes_that_are_down() {
    let lab = Lab::up(3);
    lab.signal_nodes(Signal::KILL);
    insta::assert_snapshot!(
        lab.session(&["ping -t 60 -I /web/", "service nginx restart -t 60 -I /web/ --yes",])
    );
}

#[test]
fn results_are_kept() {
    let lab = Lab::up(2);
    let output = lab.mco("ping --json").output().unwrap();
    let replies: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = replies["job"].as_str().unwrap();
    let file = lab.home().join(format!("lab/state/jobs/{id}.json"));
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["command"], serde_json::json!(["ping", "--json"]));
    assert_eq!(kept["report"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!((&kept["exit"], &kept["id"]), (&0.into(), &replies["job"]));
}

/// A home that cannot be written costs the result, never the order.
#[test]
fn without_a_place_for_results() {
    let lab = Lab::up(2);
    let text = std::fs::read_to_string(lab.config()).unwrap();
    let state = lab.home().join("lab/state").display().to_string();
    let config = lab.home().join("client.toml");
    std::fs::write(&config, text.replace(&state, "/proc/nowhere")).unwrap();
    let mut command = mco(lab.home());
    let words = "ping -I web1.example.com";
    command.env("MARCATO_CONFIG", config).args(words.split(' '));
    insta::assert_snapshot!(transcript(words, &command.output().unwrap(), lab.home()));
}

#[test]
fn help_and_version() {
    let home = tempfile::tempdir().unwrap();
    let lines = [
        "--help",
        "--version",
        "rpc -h",
        "find -h",
        "package --help",
        "lab --help",
        "authority sign-node -h",
    ];
    let texts = lines.map(|words| {
        let output = mco(home.path()).args(words.split(' ')).output().unwrap();
        transcript(words, &output, home.path())
    });
    insta::assert_snapshot!(texts.join("\n"));
}
