//! By which an agent says what it does or waits for while it works.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use marcato_core::limits::agent::SAID_BYTES_MAX;
use marcato_core::limits::cut_to;

use super::files;

/// An agent's voice. It is heard where it works in a process of its own, whose folder the daemon
/// looks into every few seconds; elsewhere it is not.
#[derive(Debug, Clone, Default)]
pub struct Voice(Option<Arc<Mouth>>);

#[derive(Debug)]
struct Mouth {
    dir: PathBuf,
    /// What was said last: the same again need not be written.
    last: Mutex<String>,
}

impl Voice {
    /// One that is heard by whoever looks into this folder.
    #[must_use]
    pub fn into(dir: &Path) -> Self {
        Self(Some(Arc::new(Mouth { dir: dir.to_owned(), last: Mutex::default() })))
    }

    /// Says it, cut to its limit, in place of what was said before. An empty text takes that back.
    pub fn say(&self, text: &str) {
        let Some(mouth) = &self.0 else { return };
        let text = cut_to(text, SAID_BYTES_MAX);
        let mut last = mouth.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            files::write_said(&mouth.dir, text);
            text.clone_into(&mut last);
        }
    }
}

/// Who hears it is no part of what is asked.
impl PartialEq for Voice {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
