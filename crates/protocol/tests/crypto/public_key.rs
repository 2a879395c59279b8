//! Public keys: OpenSSH's lines and fingerprints, and one form for each key.

use marcato_protocol::digest::Digest;
use marcato_protocol::sshsig::{KeyError, KeyKind, PublicKey};

use crate::openssh::{key, keygen, keys};

#[test]
fn lines_and_fingerprints_are_openssh_s() {
    for (key, kind) in keys().iter().zip(KeyKind::ALL) {
        let line = key.public_line();
        let (public, comment) = PublicKey::parse_line(&line).unwrap();
        assert_eq!(public.kind(), kind);
        assert_eq!(comment, "operator@example.com");
        assert_eq!(format!("{public} {comment}\n"), line);
        assert_eq!(PublicKey::from_blob(public.blob()).unwrap(), public);
        assert_eq!(public.digest(), Digest::of(public.blob()));
        let output =
            std::process::Command::new("ssh-keygen").arg("-lf").arg(&key.file).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.contains(&public.fingerprint()), "{told}");
    }
}

#[test]
fn json_takes_exactly_what_it_writes() {
    let public = key("ed25519").public();
    let json = serde_json::to_string(&public).unwrap();
    assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), public);
    let commented = json.replace("\"ssh-ed25519", "\" ssh-ed25519");
    assert!(serde_json::from_str::<PublicKey>(&commented).is_err());
    let commented = format!("{} alice\"", &json[..json.len() - 1]);
    assert!(serde_json::from_str::<PublicKey>(&commented).is_err());
}

#[test]
fn rsa_keys_that_are_too_short_are_refused_with_their_length() {
    let folder = tempfile::tempdir().unwrap();
    let short = keygen(folder.path(), "rsa2048", &["-t", "rsa", "-b", "2048", "-N", ""]);
    let error = short.public_line().parse::<PublicKey>().unwrap_err();
    assert_eq!(error, KeyError::RsaBits { bits: 2048 });
    assert!(error.to_string().contains("3072 to 8192 bits"), "{error}");
}

#[test]
fn damaged_keys_are_refused_for_their_own_reason() {
    let line = key("ed25519").public().to_string();
    let encoded = line.strip_prefix("ssh-ed25519 ").unwrap();
    let check = |text: &str, expected: KeyError| {
        assert_eq!(text.parse::<PublicKey>().unwrap_err(), expected, "{text}");
    };
    check("", KeyError::NotAKey);
    check("ssh-ed25519", KeyError::NotAKey);
    check(encoded, KeyError::NotAKey);
    check("ssh-ed25519 !!!!", KeyError::Base64);
    check(
        &format!("ecdsa-sha2-nistp256 {encoded}"),
        KeyError::TypeMismatch { text: "ecdsa-sha2-nistp256", inner: "ssh-ed25519" },
    );
    check(&format!("ssh-rot13 {encoded}"), KeyError::UnknownType("ssh-rot13".to_owned()));
    check(
        &format!("ssh-ed25519 {}", &encoded[..encoded.len() - 4]),
        KeyError::Malformed("ssh-ed25519"),
    );
    check("ssh-ed25519 AAAA", KeyError::Malformed("SSH"));
    check(&format!("ssh-ed25519 {}", "A".repeat(40_000)), KeyError::TooLong);
}

/// A key of each kind with every one of its bits changed is another key or none, never the same.
#[test]
fn one_key_has_one_binary_form() {
    for key in keys() {
        let public = key.public();
        for bit in 0..public.blob().len() * 8 {
            let mut blob = public.blob().to_vec();
            blob[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = PublicKey::from_blob(&blob) {
                assert_ne!(other, public);
                assert_ne!(other.digest(), public.digest());
                assert_eq!(other.blob(), blob);
            }
        }
        let longer = [public.blob(), b"\0"].concat();
        assert!(PublicKey::from_blob(&longer).is_err());
    }
}
