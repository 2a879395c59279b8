//! What scripts lean on: loops, pipelines, cron, forms that machines read.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kit::{Lab, MCO, transcript};

/// What a script of one line says, with the lab's configuration and no terminal.
fn shell(lab: &Lab, line: &str) -> String {
    fs::write(lab.home().join("script"), line).unwrap();
    let mut command = Command::new("setsid");
    command.args(["--wait", "sh", "script"]).env_clear().current_dir(lab.home());
    command.env("HOME", lab.home()).env("MARCATO_CONFIG", lab.config()).env("MCO", MCO);
    command.env("PATH", "/usr/bin:/bin");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = transcript("", &output, lab.home());
    format!("$ {}\n{}", line.replace("\"$MCO\"", "mco"), text.split_once('\n').unwrap().1)
}

/// The list of a loop is the loop's: no command reads standard input that was not told to.
#[test]
fn a_loop_keeps_its_list() {
    let lab = Lab::up(3);
    fs::write(lab.home().join("list"), "web1.example.com\nweb2.example.com\nweb3.example.com\n")
        .unwrap();
    let line = "while read node; do \"$MCO\" find -I $node && \"$MCO\" ping -q -I $node && \
                \"$MCO\" service nginx restart -q -y -I $node; done < list";
    let said = shell(&lab, line);
    for node in ["web1", "web2", "web3"] {
        assert!(said.contains(&format!("\n{node}.example.com\n")), "{said}");
    }
    assert!(said.ends_with("--- exit 0\n"), "{said}");
}

/// Nothing is heard of a line in a crontab unless something is wrong.
#[test]
fn cron_is_quiet() {
    let lab = Lab::up(3);
    let line = "\"$MCO\" -q service nginx status -W role=web";
    assert!(shell(&lab, line).ends_with("web\n--- exit 0\n"));
    assert!(lab.mco("service nginx stop -y -I web2.example.com").status().unwrap().success());
    let stopped = shell(&lab, line);
    lab.signal_nodes(Signal::STOP);
    insta::assert_snapshot!([stopped, shell(&lab, &format!("{line} -t 0.5"))].join("\n"));
}

#[test]
fn a_pipeline_names_the_silent() {
    let lab = Lab::up(3);
    lab.signal_nodes(Signal::STOP);
    insta::assert_snapshot!(shell(
        &lab,
        "\"$MCO\" package openssl status -t 0.5 -I /web/ --json 2>errors | \
         jq -r '.replies[]|select(.state!=\"ok\")|[.sender,.state,.reason]|@tsv'"
    ));
}

/// Each node once, as it ends, and the whole behind them.
#[test]
fn a_line_for_each_node() {
    let lab = Lab::up(3);
    let lines = |words: &str| -> Vec<Value> {
        let output = lab.mco(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let field = |lines: &[Value], name: &str| -> Vec<Value> {
        lines.iter().map(|line| line[name].clone()).collect()
    };
    let check = |words: &str, state: &str, exit: u8| {
        let mut lines = lines(words);
        let last = lines.pop().unwrap();
        let mut senders = field(&lines, "sender");
        senders.sort_by_key(ToString::to_string);
        assert_eq!(senders, ["web1.example.com", "web2.example.com", "web3.example.com"]);
        assert_eq!(field(&lines, "state"), [state; 3]);
        assert_eq!(field(&lines, "schema"), ["marcato.reply.v1"; 3]);
        assert_eq!(last["schema"], "marcato.tally.v1");
        assert_eq!((&last["exit"], &last["expected"]), (&json!(exit), &json!(3)));
        assert_eq!((&last["counts"], last.get("replies")), (&json!({state: 3}), None));
    };
    check("package openssl status -I /web/ --jsonl", "ok", 0);
    lab.signal_nodes(Signal::STOP);
    check("package openssl status -t 0.5 -I /web/ --jsonl", "no_response", 3);
    lab.signal_nodes(Signal::CONT);
    let nothing = lines("ping -W hagroup=z --jsonl");
    assert_eq!(field(&nothing, "schema"), ["marcato.tally.v1"]);
    assert_eq!((&nothing[0]["exit"], &nothing[0]["counts"]), (&json!(1), &json!({})));
}

/// A variable that is not set never means more nodes than one that is.
#[test]
fn an_unset_variable_is_refused() {
    let lab = Lab::up(3);
    insta::assert_snapshot!(
        [
            shell(&lab, "\"$MCO\" service nginx restart -W \"role=$ROLE\" --yes"),
            shell(&lab, "\"$MCO\" service nginx restart -W \"$FILTER\" --yes"),
            shell(&lab, "\"$MCO\" find -S \"hagroup=a and role!=$ROLE\""),
            shell(&lab, "\"$MCO\" find -F hagroup=a -F \"role=$ROLE\""),
            shell(&lab, "\"$MCO\" find -I \"$NODE\""),
            shell(&lab, "grep nothing /dev/null | \"$MCO\" service nginx restart --nodes - --yes"),
            shell(&lab, "\"$MCO\" find -S 'role=\"\"'"),
        ]
        .join("\n")
    );
}
