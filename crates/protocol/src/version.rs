//! Protocol versions: which ones a program speaks, and the newest that all sides share.

use serde::{Deserialize, Serialize};

use crate::strict;

/// The versions that a program speaks, from the oldest to the newest, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoken {
    /// The oldest version still spoken.
    pub oldest: u32,
    /// The newest version spoken.
    pub newest: u32,
}

impl Spoken {
    /// What this release speaks.
    pub const RELEASE: Self = Self { oldest: 1, newest: 1 };

    /// Whether `version` is among them.
    #[must_use]
    pub const fn speaks(self, version: u32) -> bool {
        self.oldest <= version && version <= self.newest
    }

    /// The newest version that both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

/// The version that a message's bytes name, where it is none that this release knows.
pub(crate) fn foreign(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    let Versioned { v } = strict::parse(bytes).ok()?;
    (!Spoken::RELEASE.speaks(v)).then_some(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_common() {
        let check = |a: (u32, u32), b: (u32, u32), want: Option<u32>| {
            let [a, b] = [a, b].map(|(oldest, newest)| Spoken { oldest, newest });
            assert_eq!(a.common(b), want, "{a:?} {b:?}");
            assert_eq!(b.common(a), want, "{b:?} {a:?}");
        };
        check((1, 1), (1, 1), Some(1));
        check((1, 2), (2, 3), Some(2));
        check((1, 1), (2, 2), None);
        check((1, 3), (0, 9), Some(3));
    }
}
