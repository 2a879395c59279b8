//! The end states of an order on one node, and whether the node was changed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an order ended on one expected node; every expected node gets exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// Done, or nothing was to be done.
    Ok,
    /// The action ran and did not reach what it was asked for.
    Failed,
    /// The node's policy does not permit it.
    Denied,
    /// The node did not take the order: expired, outside the set, superseded, a wrong version …
    Rejected,
    /// It began, and what ran it vanished before the end was known.
    Interrupted,
    /// The run limit passed.
    TimedOut,
    /// An operator cancelled it before it began.
    Cancelled,
    /// Nothing was ever heard.
    NoResponse,
    /// Accepted, then silence.
    Lost,
    /// Not connected when the order was sent.
    Down,
    /// Never sent to this node.
    Skipped,
}

impl EndState {
    /// All end states, in the order in which reports show them.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::Failed,
        Self::Denied,
        Self::Rejected,
        Self::Interrupted,
        Self::TimedOut,
        Self::Cancelled,
        Self::NoResponse,
        Self::Lost,
        Self::Down,
        Self::Skipped,
    ];

    /// The state as a person reads it; in JSON `_` stands for the blank.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::NoResponse => "no response",
            Self::Lost => "lost",
            Self::Down => "down",
            Self::Skipped => "skipped",
        }
    }

    /// Whether a node's signed receipt may carry this state; the others are the client's own word.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        !matches!(self, Self::NoResponse | Self::Lost | Self::Down | Self::Skipped)
    }

    /// Whether the node's own answer is missing (exit code 4 rather than 2).
    #[must_use]
    pub const fn is_silent(self) -> bool {
        !self.is_signed()
    }
}

impl fmt::Display for EndState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// Whether the order changed the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// The host is as it was.
    False,
    /// The host was changed.
    True,
    /// It may have been changed.
    Unknown,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::False => "false",
            Self::True => "true",
            Self::Unknown => "unknown",
        })
    }
}
