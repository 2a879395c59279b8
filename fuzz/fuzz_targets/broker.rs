//! Any bytes of a client, cut in any place: the broker reads the same operations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_broker::parser::{Parser, ParserLimits};

const LIMITS: ParserLimits = ParserLimits { control_line: 128, payload: 256 };

fuzz_target!(|input: &[u8]| {
    // The first byte says how long the pieces are.
    let Some((length, bytes)) = input.split_first() else { return };
    let whole = operations(std::iter::once(bytes));
    let cut = operations(bytes.chunks(usize::from(*length) + 1));
    assert_eq!(cut, whole);
});

/// What the broker reads, up to the first refusal, and whether there was one.
fn operations<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
    let mut parser = Parser::new(LIMITS, false);
    let mut read = Vec::new();
    for piece in pieces {
        let mut left = piece;
        loop {
            match parser.next(&mut left, |_, operation| format!("{operation:?}")) {
                Ok(Some(operation)) => read.push(operation),
                Ok(None) => break,
                Err(_) => return (read, true),
            }
        }
        assert!(parser.kept() <= LIMITS.control_line + LIMITS.payload + 64, "{}", parser.kept());
    }
    (read, false)
}
