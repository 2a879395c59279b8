//! Any bytes as a signature, a public key or a key file: nothing panics, what is read is written
//! back byte for byte, and nothing verifies for a message that nobody signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_protocol::keys::OperatorKey;
use marcato_protocol::sshsig::{Namespace, PublicKey, Signature};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signature) = Signature::parse(bytes) {
        assert_eq!(signature.to_bytes(), bytes);
        assert_eq!(Signature::from_armored(&signature.to_armored()).as_ref(), Ok(&signature));
        assert_eq!(Signature::from_base64(&signature.to_base64()).as_ref(), Ok(&signature));
        let key = signature.key().clone();
        for namespace in Namespace::ALL {
            assert!(signature.verify(&key, namespace, b"never signed").is_err());
        }
    }
    if let Ok(key) = PublicKey::from_blob(bytes) {
        assert_eq!(key.blob(), bytes);
        assert_eq!(key.to_string().parse().as_ref(), Ok(&key));
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = OperatorKey::parse(text);
        let _ = Signature::from_armored(text);
        if let Ok((key, _)) = PublicKey::parse_line(text) {
            assert_eq!(key.to_string().parse().as_ref(), Ok(&key));
        }
    }
});
