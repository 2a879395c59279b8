//! SSHSIG: OpenSSH's signatures are ours and ours are OpenSSH's; what is changed is refused.

use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::sshsig::{
    KeyError, Namespace, Signature, SignatureError, VerifyError, to_be_signed,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::openssh::{Question, key, keys, sign, verifies};

const MESSAGE: &[u8] = b"{\"order\":1}\n";

fn node_key(seed: u64) -> NodeSignKey {
    NodeSignKey::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

#[test]
fn openssh_signs_and_we_verify() {
    for key in keys() {
        for namespace in Namespace::ALL {
            let armored = sign(key, namespace.as_str(), &[], MESSAGE);
            let signature = Signature::from_armored(&armored).unwrap();
            assert_eq!(signature.verify(&key.public(), namespace, MESSAGE), Ok(()), "{}", key.name);
            assert_eq!(signature.namespace(), namespace.as_str());
            assert_eq!(signature.to_armored(), armored, "the same bytes again");
        }
    }
}

#[test]
fn we_sign_and_openssh_verifies() {
    for key in keys() {
        let operator = key.operator();
        assert_eq!(*operator.public(), key.public());
        for namespace in Namespace::ALL {
            let signature = operator.sign(namespace, MESSAGE).unwrap();
            let ask = |namespace: &str, message: &[u8]| {
                verifies(&Question {
                    allowed_signers: &format!("alice {}", key.public()),
                    principal: "alice",
                    namespace,
                    signature: &signature.to_armored(),
                    message,
                    time: None,
                })
            };
            assert!(ask(namespace.as_str(), MESSAGE), "{}", key.name);
            assert!(!ask("file", MESSAGE), "{}", key.name);
            assert!(!ask(namespace.as_str(), b"else"), "{}", key.name);
        }
    }
}

#[test]
fn a_nodes_signature_verifies_with_openssh() {
    let node = node_key(1);
    let signature = node.sign(Namespace::Receipt, MESSAGE);
    assert_eq!(signature.verify(node.public(), Namespace::Receipt, MESSAGE), Ok(()));
    assert!(verifies(&Question {
        allowed_signers: &format!("web1.example.com {}", node.public()),
        principal: "web1.example.com",
        namespace: Namespace::Receipt.as_str(),
        signature: &signature.to_armored(),
        message: MESSAGE,
        time: None,
    }));
}

#[test]
fn another_namespace_key_or_message_is_told_apart() {
    let (node, other) = (node_key(1), node_key(2));
    let signature = node.sign(Namespace::Order, MESSAGE);
    assert_eq!(
        signature.verify(node.public(), Namespace::Receipt, MESSAGE),
        Err(VerifyError::OtherNamespace {
            expected: Namespace::Receipt,
            found: "order.v1@marcato".to_owned(),
        })
    );
    assert_eq!(
        signature.verify(other.public(), Namespace::Order, MESSAGE),
        Err(VerifyError::OtherKey {
            expected: other.public().fingerprint(),
            found: node.public().fingerprint(),
        })
    );
    assert_eq!(
        signature.verify(node.public(), Namespace::Order, b"{\"order\":2}\n"),
        Err(VerifyError::Forged)
    );
}

/// The namespace is signed, not only written down beside the signature.
#[test]
fn a_namespace_that_is_rewritten_does_not_fit() {
    let node = node_key(1);
    let bytes = node.sign(Namespace::Order, MESSAGE).to_bytes();
    let mut forged = bytes.clone();
    let place = bytes.windows(5).position(|w| w == b"order").unwrap();
    // The same length, so only the name differs.
    forged[place..place + 5].copy_from_slice(b"0rder");
    let signature = Signature::parse(&forged).unwrap();
    assert_eq!(signature.namespace(), "0rder.v1@marcato");
    assert!(matches!(
        signature.verify(node.public(), Namespace::Order, MESSAGE),
        Err(VerifyError::OtherNamespace { .. })
    ));
}

#[test]
fn every_changed_bit_is_refused() {
    for key in keys() {
        let public = key.public();
        let bytes = key.operator().sign(Namespace::Order, MESSAGE).unwrap().to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let accepted = Signature::parse(&changed)
                .is_ok_and(|s| s.verify(&public, Namespace::Order, MESSAGE).is_ok());
            assert!(!accepted, "{}: bit {bit}", key.name);
        }
    }
}

#[test]
fn every_cut_and_every_longer_form_is_refused() {
    for key in keys() {
        let bytes = key.operator().sign(Namespace::Order, MESSAGE).unwrap().to_bytes();
        for length in 0..bytes.len() {
            assert!(Signature::parse(&bytes[..length]).is_err(), "{}", key.name);
        }
        let longer = [bytes.as_slice(), b"\0"].concat();
        assert_eq!(Signature::parse(&longer), Err(SignatureError::Malformed));
    }
}

/// An SSHSIG with these fields, whatever they are.
fn frame(version: u32, key: &[u8], namespace: &[u8], reserved: &[u8], hash: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    put(&mut raw, b"ssh-ed25519");
    put(&mut raw, &[0; 64]);
    let mut out = b"SSHSIG".to_vec();
    out.extend(version.to_be_bytes());
    for field in [key, namespace, reserved, hash, &raw] {
        put(&mut out, field);
    }
    out
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend(bytes);
}

#[test]
fn frames_are_refused_for_their_own_reason() {
    let node = node_key(1);
    let key = node.public().blob();
    let check = |bytes: Vec<u8>, expected: SignatureError| {
        assert_eq!(Signature::parse(&bytes).unwrap_err(), expected);
    };
    assert!(Signature::parse(&frame(1, key, b"file", b"", b"sha512")).is_ok());
    check(frame(2, key, b"file", b"", b"sha512"), SignatureError::Version(2));
    check(frame(0, key, b"file", b"", b"sha512"), SignatureError::Version(0));
    check(frame(1, key, b"", b"", b"sha512"), SignatureError::Namespace);
    check(frame(1, key, b"a b", b"", b"sha512"), SignatureError::Namespace);
    check(frame(1, key, &[b'n'; 65], b"", b"sha512"), SignatureError::Malformed);
    check(frame(1, key, b"file", b"x", b"sha512"), SignatureError::Reserved);
    check(frame(1, key, b"file", b"", b"sha256"), SignatureError::Hash);
    check(vec![0; 7000], SignatureError::TooLong);
    check(b"SSHSIG".to_vec(), SignatureError::Malformed);
    check(b"PK\x03\x04 not a signature".to_vec(), SignatureError::Malformed);
}

#[test]
fn keys_that_may_not_sign_are_named() {
    let check = |name: &str, expected: &str| {
        let mut key = Vec::new();
        put(&mut key, name.as_bytes());
        put(&mut key, &[7; 32]);
        let error = Signature::parse(&frame(1, &key, b"file", b"", b"sha512")).unwrap_err();
        assert!(matches!(error, SignatureError::Key(_)));
        assert_eq!(error.to_string(), expected);
    };
    check(
        "sk-ssh-ed25519@openssh.com",
        "a FIDO key is not supported yet: sk-ssh-ed25519@openssh.com",
    );
    check(
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "a FIDO key is not supported yet: sk-ecdsa-sha2-nistp256@openssh.com",
    );
    check(
        "ssh-ed25519-cert-v01@openssh.com",
        "an SSH certificate is not supported yet: ssh-ed25519-cert-v01@openssh.com",
    );
    check(
        "sk-ssh-ed25519-cert-v01@openssh.com",
        "an SSH certificate is not supported yet: sk-ssh-ed25519-cert-v01@openssh.com",
    );
    check("ssh-dss", "a DSA key is not supported: ssh-dss");
    check("ssh-xmss", "unknown type of key: ssh-xmss");
    // A stranger's name cannot steer the terminal that shows it.
    check("\u{1b}[2J", "unknown type of key: \\u{1b}[2J");
    check("sk-\n@openssh.com", "a FIDO key is not supported yet: sk-\\n@openssh.com");
}

/// A certificate, signed with as OpenSSH does it, is refused by its name and not as noise.
#[test]
fn a_real_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = key("ed25519");
    let user = crate::openssh::keygen(folder.path(), "user", &["-t", "ed25519", "-N", ""]);
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(&authority.file)
        .args(["-I", "user", "-n", "alice"])
        .arg(user.file.with_extension("pub"))
        .status()
        .unwrap();
    assert!(status.success());
    let certificate =
        crate::openssh::Key { name: "user-cert", file: folder.path().join("user-cert.pub") };
    let armored = sign(&certificate, "order.v1@marcato", &[], MESSAGE);
    assert_eq!(
        Signature::from_armored(&armored),
        Err(SignatureError::Key(KeyError::Certificate(
            "ssh-ed25519-cert-v01@openssh.com".to_owned()
        )))
    );
}

#[test]
fn the_weaker_hash_is_refused() {
    let armored = sign(key("ed25519"), "order.v1@marcato", &["-Ohashalg=sha256"], MESSAGE);
    assert_eq!(Signature::from_armored(&armored), Err(SignatureError::Hash));
}

/// A raw signature names its algorithm; for RSA, SHA-1 (`ssh-rsa`) is one of them and refused.
#[test]
fn a_key_signs_with_its_own_algorithms_alone() {
    let check = |name: &str, algorithm: &str, length: usize, expected: Result<(), &'static str>| {
        let mut raw = Vec::new();
        put(&mut raw, algorithm.as_bytes());
        put(&mut raw, &vec![1; length]);
        let result = Signature::assemble(key(name).public(), Namespace::Order, &raw);
        let expected = expected.map_err(SignatureError::Algorithm);
        assert_eq!(result.map(drop), expected, "{name} with {algorithm}");
    };
    check("rsa3072", "rsa-sha2-512", 384, Ok(()));
    check("rsa3072", "rsa-sha2-256", 384, Ok(()));
    check("rsa3072", "ssh-rsa", 384, Err("ssh-rsa"));
    check("rsa3072", "ssh-ed25519", 64, Err("ssh-rsa"));
    check("ed25519", "ssh-ed25519", 64, Ok(()));
    check("ed25519", "rsa-sha2-512", 64, Err("ssh-ed25519"));
    check("ecdsa256", "ecdsa-sha2-nistp384", 104, Err("ecdsa-sha2-nistp256"));
}

/// With the point of small order as key, R = identity and s = 0 fit every message for a lax
/// verifier.
#[test]
fn a_key_of_small_order_signs_nothing() {
    let mut point = [0u8; 32];
    point[0] = 1;
    let weak = marcato_protocol::sshsig::PublicKey::from_ed25519(&point);
    let mut raw = Vec::new();
    put(&mut raw, b"ssh-ed25519");
    put(&mut raw, &[point.as_slice(), &[0; 32]].concat());
    let signature = Signature::assemble(weak.clone(), Namespace::Order, &raw).unwrap();
    assert_eq!(signature.verify(&weak, Namespace::Order, MESSAGE), Err(VerifyError::Forged));
}

#[test]
fn the_signed_blob_is_what_the_format_says() {
    let blob = to_be_signed(Namespace::Join, b"");
    let hash = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
    let hex: String = blob[blob.len() - 64..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, hash, "SHA-512 of nothing");
    let mut head = b"SSHSIG".to_vec();
    put(&mut head, b"join.v1@marcato");
    put(&mut head, b"");
    put(&mut head, b"sha512");
    head.extend(64u32.to_be_bytes());
    assert_eq!(blob[..blob.len() - 64], head);
}

#[test]
fn text_forms_are_read_back_and_damaged_ones_refused() {
    let signature = node_key(3).sign(Namespace::Heartbeat, MESSAGE);
    let base64 = signature.to_base64();
    assert_eq!(base64.len(), 256);
    assert_eq!(Signature::from_base64(&base64).unwrap(), signature);
    assert_eq!(Signature::from_base64(&base64[1..]), Err(SignatureError::Base64));
    assert_eq!(Signature::from_base64(&format!("{base64}\n")), Err(SignatureError::Base64));
    assert_eq!(Signature::from_base64(&"A".repeat(10_000)), Err(SignatureError::TooLong));
    let armored = signature.to_armored();
    assert_eq!(Signature::from_armored(&armored).unwrap(), signature);
    let windows = armored.replace('\n', "\r\n");
    assert_eq!(Signature::from_armored(&windows).unwrap(), signature);
    assert_eq!(Signature::from_armored(&base64), Err(SignatureError::Armor));
    assert_eq!(
        Signature::from_armored(armored.trim_end().strip_suffix('-').unwrap()),
        Err(SignatureError::Armor)
    );
}
