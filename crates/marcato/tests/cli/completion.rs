//! What the key for completion brings, asked by real shells where they are installed.
//!
//! The hub has a tenth of a second to answer, and a busy machine may take longer: what is live is
//! asked for until it comes, as somebody does who presses the key again.

use std::process::Command;

use crate::kit::{Lab, MCO, mco, on_terminal};

/// So often the key is pressed.
const TRIES: usize = 200;

/// What `mco` answers a shell; `line` ends where the cursor is.
fn ask(lab: &Lab, line: &str) -> String {
    let mut command = lab.mco("__complete --");
    command.args(line.split(' '));
    let output = command.output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn check(lab: &Lab, line: &str, want: &str) {
    let got = (0..TRIES).map(|_| ask(lab, line)).find(|got| !got.is_empty());
    assert_eq!(got.unwrap_or_default(), want, "{line}");
}

/// A shell that has `mco` in its path and the lab in its environment.
fn shell(lab: &Lab, program: &str, arguments: &[&str]) -> Option<Command> {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        return None;
    }
    let folder = std::path::Path::new(MCO).parent().unwrap().display();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(lab.home()).env_clear();
    command.env("HOME", lab.home()).env("MARCATO_CONFIG", lab.config());
    command.env("PATH", format!("{folder}:/usr/bin:/bin")).env("TERM", "xterm");
    Some(command)
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn words_that_fit() {
    let lab = Lab::up(6);
    lab.type_("ping -q");
    check(&lab, "mco find -F hagr", "hagroup=\n");
    check(
        &lab,
        "mco find -F hagroup=",
        "hagroup=a\t2 nodes\nhagroup=b\t2 nodes\nhagroup=c\t2 nodes\n",
    );
    check(&lab, "mco -q find -F hagroup!=a", "hagroup!=a\t2 nodes\n");
    check(&lab, "mco facts hagr", "hagroup\n");
    check(&lab, "mco ping -I this", "this-machine\n");
    check(&lab, "mco ping --with-identity=this", "--with-identity=this-machine\n");
    check(&lab, "mco find -A rp", "rpcutil\n");
    check(&lab, "mco rpc rpcutil get_fact fact=hagr", "fact=hagroup\n");
    check(&lab, "mco rpcutil get", "get_fact\tAnswers with one fact\n");
    let update = ask(&lab, "mco can package.upd");
    assert!(update.starts_with("package.update\tBrings an installed package"), "{update}");
    assert!(ask(&lab, "mco can pack").lines().all(|line| line.starts_with("package.")));
    check(&lab, "mco service nginx rel", "reload\tLets a service read its configuration anew\n");
    check(&lab, "mco find --col", "--color\tWhen to use colour\n");
    check(&lab, "mco find --color n", "never\tNever\n");
    let kept = ask(&lab, "mco job show ");
    assert_eq!(kept.trim_end().len(), 4, "the id of the ping: {kept}");
    let fleets = ask(&lab, "mco find --fleet l");
    assert!(fleets.starts_with("lab\tnats://127.0.0.1:"), "{fleets}");
    let file = lab.mco("__complete -- mco find --nodes x").output().unwrap();
    assert_eq!((file.status.code(), file.stdout.len()), (Some(1), 0), "the shell completes files");
}

/// Without a fleet, with a hub that is gone, with a key that has a passphrase: no word, no question.
#[test]
fn nothing_is_said_where_nothing_is_known() {
    let home = tempfile::tempdir().unwrap();
    let ask = |line: &str| {
        let mut command = mco(home.path());
        command.args(["__complete", "--"]).args(line.split(' '));
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty() && output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask("mco find -F hagr"), "");
    assert_eq!(ask("mco pin"), "ping\tAsk every node that matches whether it answers\n");
    let config = home.path().join(".config/marcato");
    std::fs::create_dir_all(&config).unwrap();
    let authority =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    let text = format!(
        "[fleets.prod]\nbroker = 'nats://127.0.0.1:1'\nauthority = '{authority}'\ncaller = 'ops'\nkey = 'nosuch'\n"
    );
    std::fs::write(config.join("client.toml"), text).unwrap();
    assert_eq!(ask("mco find -F hagr"), "");
    assert_eq!(ask("mco find --fleet "), "prod\tnats://127.0.0.1:1\n");
}

#[test]
fn bash() {
    let lab = Lab::up(6);
    let script = "source <(mco completion bash)
        for _ in {1..200}; do
            COMP_WORDS=(mco find -F hagroup =) COMP_CWORD=4; _mco
            [[ ${COMPREPLY[*]} ]] && break
        done
        echo \"${COMPREPLY[*]}\"";
    let command = shell(&lab, "bash", &["-c", script]).unwrap();
    assert_eq!(said(command), "a b c\n");
    let rc = lab.home().join("rc");
    std::fs::write(&rc, "PS1='READY> '\nsource <(mco completion bash)\n").unwrap();
    let typed = [
        ("READY>", "mco auth\t"),
        ("authority ", "sig\t"),
        ("sign-node ", "--help\n"),
        ("READY>", "exit\n"),
    ];
    let command = shell(&lab, "bash", &["--rcfile", rc.to_str().unwrap(), "-i"]).unwrap();
    let seen = on_terminal(&command, &typed, lab.home());
    assert!(seen.contains("The authority's private SSH key"), "{seen}");
}

#[test]
fn zsh() {
    let lab = Lab::up(1);
    let start =
        "PS1='READY> '\nautoload -Uz compinit; compinit -u -D\neval \"$(mco completion zsh)\"\n";
    std::fs::write(lab.home().join(".zshrc"), start).unwrap();
    let Some(command) = shell(&lab, "zsh", &["-i"]) else { return };
    let typed = [
        ("READY>", "mco auth\t"),
        ("ority", "sig\t"),
        ("n-node", "--help\n"),
        ("READY>", "exit\n"),
    ];
    let seen = on_terminal(&command, &typed, lab.home());
    assert!(seen.contains("The authority's private SSH key"), "{seen}");
}

#[test]
fn fish() {
    let lab = Lab::up(6);
    let script = "mco completion fish | source
        for try in (seq 200)
            set -l found (complete -C 'mco find -F hagroup=')
            if test -n \"$found\"
                printf '%s\\n' $found
                break
            end
        end
        complete -C 'mco service nginx rel'";
    let Some(command) = shell(&lab, "fish", &["-N", "-c", script]) else { return };
    let want = "hagroup=a\t2 nodes\nhagroup=b\t2 nodes\nhagroup=c\t2 nodes\n\
        reload\tLets a service read its configuration anew\n";
    assert_eq!(said(command), want);
}
