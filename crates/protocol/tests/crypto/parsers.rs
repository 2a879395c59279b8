//! No parser of outside bytes panics, and what one reads it writes back as it was.

use marcato_protocol::allowed_signers::AllowedSigners;
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::{NodeSignKey, OpenKey, OperatorKey};
use marcato_protocol::merkle::Proof;
use marcato_protocol::seal::{OpenPublicKey, Sealed};
use marcato_protocol::ssh_agent::{Answers, parse_identities, parse_sign_response};
use marcato_protocol::sshsig::{Namespace, PublicKey, Signature};
use proptest::prelude::*;

use crate::openssh::keys;

/// A real signature with some bytes replaced, cut or put in: deeper than noise alone comes.
fn damaged_signature() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..3);
    let changes = prop::collection::vec(change, 1..4);
    (0usize..5, changes).prop_map(|(key, changes)| {
        let operator = keys()[key].operator();
        let mut bytes = operator.sign(Namespace::Order, b"x").unwrap().to_bytes();
        for (place, byte, kind) in changes {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let with_magic = [b"SSHSIG\0\0\0\x01", bytes.as_slice()].concat();
        for bytes in [&bytes, &with_magic] {
            if let Ok(signature) = Signature::parse(bytes) {
                prop_assert_eq!(&signature.to_bytes(), bytes);
            }
        }
        if let Ok(key) = PublicKey::from_blob(&bytes) {
            prop_assert_eq!(key.blob(), &bytes);
        }
        let _ = parse_identities(&bytes);
        let _ = parse_sign_response(&bytes);
        let _ = Answers::new().push(&bytes);
    }

    #[test]
    fn texts_never_panic(text in any::<String>()) {
        let _ = AllowedSigners::parse(&text, "f");
        let _ = OperatorKey::parse(&text);
        let _ = NodeSignKey::from_openssh(&text);
        let _ = OpenKey::from_text(&text);
        let _ = Signature::from_base64(&text);
        let _ = Signature::from_armored(&text);
        let _ = Sealed::from_parts(&text, Vec::new());
        let _ = Proof::from_base64(&text);
        let _ = text.parse::<PublicKey>();
        let _ = text.parse::<OpenPublicKey>();
        let _ = text.parse::<Digest>();
    }

    #[test]
    fn words_of_the_formats_never_panic(
        text in "([a-z!*?,\"]{0,6}[ \t\n=])?(cert-authority|namespaces=|valid-after=|\"[0-9]{0,14}Z?\"|,| |\"|\\\\|ssh-ed25519|AAAA|\n){0,12}",
    ) {
        let _ = AllowedSigners::parse(&text, "f");
        let _ = text.parse::<PublicKey>();
    }

    #[test]
    fn digests_are_read_back(bytes in any::<[u8; 32]>()) {
        let digest = Digest::from_bytes(bytes);
        let text = digest.to_string();
        prop_assert_eq!(text.parse::<Digest>().unwrap(), digest);
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        prop_assert!(text.to_uppercase().parse::<Digest>().is_err() || text.to_uppercase() == text);
        prop_assert!(text[1..].parse::<Digest>().is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_signatures_never_panic_and_never_verify(bytes in damaged_signature()) {
        if let Ok(signature) = Signature::parse(&bytes) {
            prop_assert_eq!(signature.to_bytes(), bytes);
            let key = signature.key().clone();
            prop_assert!(
                signature.verify(&key, Namespace::Order, b"y").is_err(),
                "another message"
            );
        }
    }
}

#[test]
fn a_digest_is_that_of_its_bytes() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Digest::of(b"").to_string(), empty);
    assert_eq!(Digest::of_parts(&[b"a", b"", b"bc"]), Digest::of(b"abc"));
    assert_eq!(format!("{:?}", Digest::of(b"")), format!("Digest({empty})"));
}
