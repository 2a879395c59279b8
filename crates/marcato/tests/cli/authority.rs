//! `mco authority sign-node`, between `mcod node --print-request` and `--install-certificate`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::kit::{mco, transcript};

fn keygen(file: &Path, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    let status = command.args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(file).status();
    assert!(status.unwrap().success());
}

fn sign(home: &Path, words: &str, request: &[u8]) -> Output {
    let mut command = mco(home);
    command.arg("authority").arg("sign-node").args(words.split(' ')).current_dir(home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(request).unwrap();
    child.wait_with_output().unwrap()
}

/// The node's side of the exchange.
fn mcod(home: &Path, words: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcod"));
    command.env_clear().arg("node").args(words).current_dir(home);
    command.args(["--config", "etc", "--state", "state"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_nodes_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    keygen(&home.join("authority"), "");
    keygen(&home.join("other"), "");
    keygen(&home.join("locked"), "a passphrase");
    let public = std::fs::read_to_string(home.join("authority.pub")).unwrap();
    std::fs::create_dir(home.join("etc")).unwrap();
    let config = format!(
        "collective = 'lab'\nbroker = 'nats://127.0.0.1:4222'\nauthority = '{}'\nidentity = 'web1'\n",
        public.trim()
    );
    std::fs::write(home.join("etc/node.toml"), config).unwrap();
    std::fs::write(home.join("etc/allowed_signers"), "").unwrap();
    let asked = mcod(home, &["--print-request"], b"");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let request = asked.stdout;

    let signed = sign(home, "--key authority --identity web1", &request);
    assert_eq!(String::from_utf8_lossy(&signed.stderr), "");
    assert!(signed.status.success());
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    std::fs::write(home.join("request"), &request).unwrap();
    let mut lost = mco(home);
    lost.args(["authority", "sign-node", "--key", "authority"]).current_dir(home).stdout(full);
    lost.stdin(std::fs::File::open(home.join("request")).unwrap());
    assert_eq!(lost.status().unwrap().code(), Some(74));
    let installed = mcod(home, &["--install-certificate", "-"], &signed.stdout);
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let foreign = sign(home, "--key other", &request).stdout;
    assert!(!mcod(home, &["--install-certificate", "-"], &foreign).status.success());

    let mut altered = request.clone();
    let middle = altered.len() / 3;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let check = |words: &str, request: &[u8]| {
        let output = sign(home, words, request);
        assert_eq!(output.stdout, b"", "{words}: nothing is signed");
        transcript(&format!("authority sign-node {words}"), &output, home)
    };
    let refused = [
        check("--key authority --identity web2", &request),
        check("--key authority", b"garbage"),
        check("--key authority", b""),
        check("--key authority", &signed.stdout),
        check("--key missing", &request),
        check("--key authority.pub", &request),
        check("--key locked", &request),
    ];
    insta::assert_snapshot!(refused.join("\n"));
    assert!(!sign(home, "--key authority", &altered).status.success());
}
