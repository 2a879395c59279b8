//! Any bytes as what an ssh-agent sends, in two pieces: nothing panics, and the pieces do not
//! matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_protocol::ssh_agent::{Answers, parse_identities, parse_sign_response};

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let mut whole = Answers::new();
    let at_once = whole.push(stream);
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    let mut pieces = Answers::new();
    let in_pieces = match pieces.push(first) {
        Ok(None) => pieces.push(second),
        done => done,
    };
    assert_eq!(at_once, in_pieces);
    if let Ok(Some(answer)) = at_once {
        if let Ok(identities) = parse_identities(&answer) {
            assert!(identities.usable().count() <= identities.keys.len());
            assert!(identities.keys.len() * 8 <= answer.len());
        }
        let _ = parse_sign_response(&answer);
    }
});
