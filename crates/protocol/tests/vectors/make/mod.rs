//! Makes the test vectors of `docs/protocol/vectors/`: the same bytes each time.

mod answers;
mod crypto;
mod orders;
mod plain;
mod refused;
mod talk;
pub mod world;

use serde_json::Value;

/// A file's name and what stands in it.
pub type File = (&'static str, Value);

/// All files.
pub fn all() -> Vec<File> {
    vec![
        ("names.json", plain::names()),
        ("json.json", plain::json()),
        ("times.json", plain::times()),
        ("keys.json", plain::keys()),
        ("signatures.json", crypto::signatures()),
        ("merkle.json", crypto::merkle()),
        ("sealing.json", crypto::sealing()),
        ("certificates.json", talk::certificates()),
        ("orders.json", orders::orders()),
        ("receipts.json", answers::receipts()),
        ("progress.json", answers::progress()),
        ("registrations.json", talk::registrations()),
        ("questions.json", talk::questions()),
    ]
}

/// The text of a file.
pub fn text(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap();
    text.push('\n');
    text
}
