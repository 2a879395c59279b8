//! Any text as an `allowed_signers` file: nothing panics, errors are bounded and stay on their
//! line, and what is accepted names each signer in full.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_core::limits::crypto::ALLOWED_SIGNERS_ERRORS_MAX;
use marcato_protocol::allowed_signers::AllowedSigners;

fuzz_target!(|text: &str| match AllowedSigners::parse(text, "allowed_signers") {
    Err(errors) => {
        assert!((1..=ALLOWED_SIGNERS_ERRORS_MAX).contains(&errors.len()));
        assert!(errors.iter().all(|error| !error.to_string().contains('\n')));
    }
    Ok(signers) => {
        for entry in signers.entries() {
            for principal in entry.principals() {
                assert!(!principal.is_empty() && !principal.contains(['*', '?', '"', '\n']));
                assert!(signers.principals_of(entry.key()).contains(&principal.as_str()));
                let _ = signers.find(principal, entry.key(), "order.v1@marcato", 1 << 40);
            }
        }
    }
});
