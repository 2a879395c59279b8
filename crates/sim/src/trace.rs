//! What happened, line by line: kept as one hash that two runs can be compared by, and as text
//! where somebody wants to read it.

use std::fmt::Arguments;

use marcato_protocol::digest::Digest;

/// The trace of a run.
#[derive(Debug)]
pub struct Trace {
    hash: Digest,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace, which keeps its text or not.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self { hash: Digest::of(b""), lines: keep.then(Vec::new) }
    }

    /// Adds a line, and bytes that are hashed beside it.
    pub fn add(&mut self, now: u64, line: Arguments<'_>, bytes: &[u8]) {
        let line = format!("{:>7}.{:03} {line}", now / 1000, now % 1000);
        self.hash = Digest::of_parts(&[self.hash.as_bytes(), line.as_bytes(), bytes]);
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// Stands for everything so far.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The text, where it was kept.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
