//! What a person at a terminal sees and types.

use std::process::Command;

use rustix::process::Signal;

use crate::kit::{Lab, on_terminal};

fn see(lab: &Lab, words: &str, answers: &[(&str, &str)]) -> String {
    let text = on_terminal(&lab.mco(words), answers, lab.home());
    format!("$ mco {words}\n{text}")
}

#[test]
fn many_nodes() {
    let lab = Lab::up(24);
    insta::assert_snapshot!(
        [
            see(&lab, "find", &[]),
            see(&lab, "package openssl status -I /example/", &[]),
            see(&lab, "facts role", &[]),
            see(&lab, "service nginx restart -W operatingsystem=Debian", &[("[y/N]", "n\n")]),
            see(&lab, "service nginx restart", &[("go on:", "24\n")]),
        ]
        .join("\n")
    );
}

#[test]
fn a_change_is_confirmed() {
    let lab = Lab::up(6);
    insta::assert_snapshot!(
        [
            see(&lab, "service nginx restart -W hagroup=c", &[("[y/N]", "y\n")]),
            see(&lab, "service nginx restart -W hagroup=c", &[("[y/N]", "n\n")]),
            see(&lab, "service nginx restart -W hagroup=c", &[("[y/N]", "\n")]),
            see(&lab, "service nginx restart -W hagroup=c", &[("[y/N]", "\u{4}")]),
            see(&lab, "service nginx restart -W hagroup=c", &[("[y/N]", "\u{3}")]),
            see(&lab, "service nginx restart", &[("go on:", "y\n")]),
            see(&lab, "service nginx restart", &[("go on:", "6\n")]),
            see(&lab, "rpc service restart service=nginx -I web1.example.com --yes", &[]),
            see(
                &lab,
                "service nginx restart -I web1.example.com -I wbe2.example.com",
                &[("[y/N]", "n\n")]
            ),
        ]
        .join("\n")
    );
}

#[test]
fn ctrl_c_ends_the_wait_and_names_what_goes_on() {
    let lab = Lab::up(6);
    lab.signal_nodes(Signal::STOP);
    insta::assert_snapshot!(
        [
            see(
                &lab,
                "service nginx restart -W hagroup=c --yes -t 60",
                &[("waiting for 2", "\u{3}")]
            ),
            see(&lab, "ping -I web1.example.com -t 60", &[("waiting for 1", "\u{3}")]),
        ]
        .join("\n")
    );
}

/// The passphrase is asked for on the terminal and never shown, three times at most.
#[test]
fn a_passphrase_is_asked_for() {
    let lab = Lab::up(2);
    let key = lab.home().join("lab/operator");
    let status = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "the passphrase", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(status.success());
    let ask = "Passphrase for";
    insta::assert_snapshot!(
        [
            see(
                &lab,
                "ping -I web1.example.com",
                &[(ask, "the passwort\u{7f}\u{7f}\u{7f}\u{7f}phrase\n")]
            ),
            see(
                &lab,
                "ping -I web1.example.com",
                &[(ask, "no\n"), (ask, "nono\u{15}the passphrase\n")]
            ),
            see(&lab, "ping -I web1.example.com", &[(ask, "a\n"), (ask, "b\n"), (ask, "c\n")]),
            see(&lab, "ping -I web1.example.com", &[(ask, "a\u{3}")]),
            // The hub alone is asked, so no key is needed.
            see(&lab, "find -I web1.example.com", &[]),
            lab.type_("ping -I web1.example.com"),
        ]
        .join("\n")
    );
}

/// Whoever waits is told for whom while he does; and so is who comes back later.
#[test]
fn why_a_node_is_waited_for() {
    let lab = Lab::up(3);
    lab.lab(&["break", "web1", "dpkg-lock"]);
    let words = "rpc package update package=openssl lock_wait=100 -I web1.example.com --yes";
    let waits = "waiting for 1: web1.example.com (dpkg lock, pid 812 unattended-upgr)";
    let text = see(&lab, words, &[(waits, "\u{3}")]);
    assert!(text.contains("1 still running on its node, and goes on"), "{text}");
    see(&lab, "job follow", &[(waits, "\u{3}")]);
    lab.lab(&["mend", "web1", "dpkg-lock"]);
    let text = lab.type_("job follow");
    assert!(text.contains("web1.example.com  ok"), "{text}");
}
