//! Private keys: files of OpenSSH, passphrases, the node's keys and what they must not show.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;

use marcato_protocol::keys::{KeyFile, KeyFileError, NodeSignKey, OpenKey, OperatorKey};
use marcato_protocol::sshsig::{KeyError, Namespace};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::openssh::{ECDSA256, given, key, keygen};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

#[test]
fn a_key_with_a_passphrase_opens_with_that_alone() {
    let folder = tempfile::tempdir().unwrap();
    // Few rounds: the test is about the file's form, not about its slowness.
    let secret = ["-N", "correct horse", "-a", "1"];
    let made =
        |name, kind| keygen(folder.path(), name, &[["-t", kind].as_slice(), &secret].concat());
    let curve = given(folder.path(), "p", ECDSA256);
    curve.change(&[["-p", "-P", ""].as_slice(), &secret].concat());
    for file in [made("e", "ed25519"), curve, made("r", "rsa")] {
        let kind = file.name;
        let text = fs::read_to_string(&file.file).unwrap();
        let parsed = OperatorKey::parse(&text).unwrap();
        assert_eq!(*parsed.public(), file.public());
        let KeyFile::Encrypted(encrypted) = parsed else {
            panic!("{kind}: taken for a plain key");
        };
        assert_eq!(encrypted.decrypt("wrong").unwrap_err(), KeyFileError::WrongPassphrase);
        let operator = encrypted.decrypt("correct horse").unwrap();
        let signature = operator.sign(Namespace::Order, b"x").unwrap();
        let verified = signature.verify(&file.public(), Namespace::Order, b"x");
        assert_eq!(verified, Ok(()));
        assert_eq!(NodeSignKey::from_openssh(&text).unwrap_err(), KeyFileError::Encrypted);
    }
}

/// OpenSSH takes the key; what it is, and the way out, must be told.
#[test]
fn a_p256_key_with_zeros_in_front_is_told_from_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let key = given(folder.path(), "short", include_str!("keys/short256"));
    let parse = || OperatorKey::parse(&fs::read_to_string(&key.file).unwrap());
    let error = parse().unwrap_err();
    assert_eq!(error, KeyFileError::ShortSecret);
    assert!(error.to_string().contains("ssh-add"), "{error}");
    key.change(&["-p", "-P", "", "-N", "secret", "-a", "1"]);
    let Ok(KeyFile::Encrypted(encrypted)) = parse() else { panic!() };
    assert_eq!(encrypted.decrypt("secret").unwrap_err(), KeyFileError::ShortSecret);
    assert_eq!(encrypted.decrypt("other").unwrap_err(), KeyFileError::WrongPassphrase);
}

#[test]
fn a_nodes_key_file_is_openssh_s() {
    let node = NodeSignKey::generate(&mut rng(7));
    let text = node.to_openssh("web1.example.com").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let mut options = fs::OpenOptions::new();
    // ssh-keygen refuses a private key that others can read.
    options.mode(0o600).create_new(true).write(true);
    let mut opened = options.open(&file).unwrap();
    opened.write_all(text.as_bytes()).unwrap();
    let output = Command::new("ssh-keygen").arg("-yf").arg(&file).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line.trim_end(), format!("{} web1.example.com", node.public()));
    let again = NodeSignKey::from_openssh(&text).unwrap();
    assert_eq!(again.public(), node.public());
    assert_eq!(again.sign(Namespace::Receipt, b"x"), node.sign(Namespace::Receipt, b"x"));
}

#[test]
fn a_nodes_key_is_ed25519_alone() {
    let text = fs::read_to_string(&key("rsa3072").file).unwrap();
    assert_eq!(NodeSignKey::from_openssh(&text).unwrap_err(), KeyFileError::NotEd25519);
}

#[test]
fn open_keys_have_one_text() {
    let open = OpenKey::generate(&mut rng(9));
    let text = open.to_text();
    let again = OpenKey::from_text(&text).unwrap();
    assert_eq!(again.public(), open.public());
    assert_eq!(again.to_text(), text);
    for bad in [
        "",
        "marcato-open-key-v1",
        "marcato-open-key-v1 AAAA",
        "marcato-open-key-v2 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ] {
        assert!(OpenKey::from_text(bad).is_err(), "{bad}");
    }
}

#[test]
fn files_that_are_no_key_say_what_they_are() {
    let check = |text: &str, expected: KeyFileError| {
        assert_eq!(OperatorKey::parse(text).unwrap_err(), expected, "{text}");
    };
    check("", KeyFileError::Malformed);
    check("hello\n", KeyFileError::Malformed);
    check(&key("ecdsa256").public_line(), KeyFileError::Public);
    check(&"x".repeat(70_000), KeyFileError::TooLong);
    check(
        "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n",
        KeyFileError::OtherForm("PKCS#8"),
    );
    check(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        KeyFileError::Malformed,
    );
    let text = fs::read_to_string(&key("ed25519").file).unwrap();
    check(&text[..text.len() / 2], KeyFileError::Malformed);
}

#[test]
fn an_old_form_of_a_key_is_named_and_can_be_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["-t", "rsa", "-b", "3072", "-N", "", "-m", "PEM"];
    let old = keygen(folder.path(), "old", &arguments);
    let text = fs::read_to_string(&old.file).unwrap();
    let error = OperatorKey::parse(&text).unwrap_err();
    assert_eq!(error, KeyFileError::OtherForm("PEM (PKCS#1)"));
    // What the message advises.
    assert!(error.to_string().contains("ssh-keygen -p -f FILE"));
    let status = Command::new("ssh-keygen")
        .args(["-q", "-p", "-N", "", "-f"])
        .arg(&old.file)
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    assert_eq!(*old.operator().public(), old.public());
}

#[test]
fn a_short_rsa_key_is_refused_with_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["-t", "rsa", "-b", "2048", "-N", ""];
    let short = keygen(folder.path(), "short", &arguments);
    let text = fs::read_to_string(&short.file).unwrap();
    assert_eq!(
        OperatorKey::parse(&text).unwrap_err(),
        KeyFileError::Key(KeyError::RsaBits { bits: 2048 })
    );
}

/// A key file of which the private half was exchanged signs nothing under the public one.
#[test]
fn halves_that_do_not_belong_together_are_refused() {
    use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
    let public = Ed25519Keypair::from_seed(&[1; 32]).public;
    let private = Ed25519PrivateKey::from_bytes(&[2; 32]);
    let pair = KeypairData::Ed25519(Ed25519Keypair { public, private });
    let file = ssh_key::PrivateKey::new(pair, "mixed").unwrap();
    let text = file.to_openssh(ssh_key::LineEnding::LF).unwrap();
    let signed = match OperatorKey::parse(&text) {
        Ok(KeyFile::Plain(key)) => key.sign(Namespace::Order, b"x").is_ok(),
        Ok(KeyFile::Encrypted(_)) | Err(_) => false,
    };
    assert!(!signed);
}

#[test]
fn secrets_do_not_show_themselves() {
    let node = NodeSignKey::generate(&mut rng(7));
    let open = OpenKey::generate(&mut rng(9));
    let operator = key("rsa3072").operator();
    let shown = format!("{node:?} {open:?} {operator:?}");
    let expected = format!(
        "NodeSignKey({}, secret hidden) OpenKey({}, secret hidden) \
         OperatorKey({}, secret hidden)",
        node.public().fingerprint(),
        open.public(),
        operator.public().fingerprint()
    );
    assert_eq!(shown, expected);
}
