//! Streams that are closed, full, or no terminal.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::kit::{Lab, redact};

#[test]
fn a_reader_that_has_enough_ends_nothing_with_an_error() {
    let lab = Lab::up(24);
    for words in ["find", "ping --each", "ping --json", "--help"] {
        let mut command = lab.mco(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panic") && !said.contains("error"), "{words}: {said}");
        assert_eq!(output.status.code(), Some(0), "{words}");
    }
}

#[test]
fn closed_from_the_beginning() {
    let lab = Lab::up(2);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = lab.mco("find");
    let both = (writer.try_clone().unwrap(), writer);
    let status = command.stdout(both.0).stderr(both.1).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_full_disk_is_told() {
    let lab = Lab::up(2);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let check = |words: &str, exit: i32| {
        let output = lab.mco(words).stdout(full()).output().unwrap();
        let said = redact(&String::from_utf8(output.stderr).unwrap(), lab.home());
        let error = "error: standard output: No space left on device";
        assert!(said.contains(error), "{words}: {said}");
        assert_eq!(output.status.code(), Some(exit), "{words}");
    };
    for words in ["find", "ping", "ping --json", "ping --jsonl", "job list", "job show --json"] {
        check(words, 74);
    }
    for words in ["--help", "--version", "ping --help", "doctor", "schema replies"] {
        check(words, 74);
    }
    for words in ["filter reference", "filter explain -F a=b", "plugin doc", "completion bash"] {
        check(words, 74);
    }
    let dir = lab.home().join("lab");
    for words in ["lab status", "lab env"] {
        check(&format!("{words} --dir {}", dir.display()), 74);
    }
    // What became of the nodes comes first.
    lab.signal_nodes(rustix::process::Signal::STOP);
    check("ping -t 0.2", 3);
}

#[test]
fn the_same_of_a_hosts_own_commands() {
    let home = tempfile::tempdir().unwrap();
    let folder = |name: &str| home.path().join(name).display().to_string();
    let places = ["--config".to_owned(), folder("etc"), "--state".to_owned(), folder("state")];
    let run = |words: &str, out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcod"));
        command.env_clear().args(words.split(' ')).stdout(out);
        if !words.starts_with('-') {
            command.args(&places);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let check = |words: &str, want: i32| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (exit, said) = run(words, full.into());
        assert!(said.contains("error: standard output: No space left"), "{words}: {said}");
        let lost = if want == 0 { 74 } else { want };
        assert_eq!(exit, Some(lost), "{words}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (exit, said) = run(words, writer.into());
        assert!(!said.contains("error"), "{words}: {said}");
        assert_eq!(exit, Some(want), "{words}");
    };
    for words in ["--help", "--version", "facts", "facts kernel", "facts --json"] {
        check(words, 0);
    }
    // There is no node.toml, which comes first.
    check("doctor", 78);
    check("doctor --json", 78);
    std::fs::create_dir_all(folder("etc")).unwrap();
    let key = home.path().join("authority");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
    assert!(keygen.status().unwrap().success());
    let authority = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let node = format!(
        "collective = 'lab'\nbroker = 'nats://127.0.0.1:4222'\nauthority = '{}'\nidentity = 'web1'\n",
        authority.trim()
    );
    std::fs::write(home.path().join("etc/node.toml"), node).unwrap();
    check("node --print-request", 0);
}

#[test]
fn colours_are_for_terminals_unless_told_otherwise() {
    let lab = Lab::up(2);
    let check = |words: &str, colour: bool| {
        let words = format!("rpc rpcutil get_fact fact=hagroup {words}");
        let output = lab.mco(&words).env("CLICOLOR", "1").output().unwrap();
        assert_eq!(output.stdout.contains(&0x1b), colour, "{words}");
    };
    // A silent node is yellow.
    lab.signal_nodes(rustix::process::Signal::STOP);
    check("-t 0.2", false);
    check("-t 0.2 --color always", true);
    check("-t 0.2 --color never", false);
}
