//! The exit codes of `mco`, declared once; a script can rely on them.

/// How a command of `mco` ends. The numbers from 64 on are those of BSD's `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Every expected node is ok.
    Ok = 0,
    /// The answer is no: nothing matched, or declined, or absent everywhere, or what was asked about
    /// is not well; nothing was changed.
    Nothing = 1,
    /// Some node is failed, denied, rejected, interrupted, timed out or cancelled.
    Failed = 2,
    /// Nobody answered, though at least one node was expected.
    NoAnswer = 3,
    /// All that answered are ok; some are no response, lost, down or skipped, or may be missing.
    Silent = 4,
    /// The command line or a filter is wrong; no node was asked.
    Usage = 64,
    /// The hub cannot be reached; no node was asked.
    Unavailable = 69,
    /// The output could not be written, or what is kept here could not be read.
    Io = 74,
    /// Cannot sign, or not admitted; no node was asked.
    NoPermission = 77,
    /// The configuration is wrong; no node was asked.
    Config = 78,
    /// Interrupted; what still runs is named.
    Interrupted = 130,
}

impl Exit {
    /// All exit codes, in ascending order.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::Nothing,
        Self::Failed,
        Self::NoAnswer,
        Self::Silent,
        Self::Usage,
        Self::Unavailable,
        Self::Io,
        Self::NoPermission,
        Self::Config,
        Self::Interrupted,
    ];

    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, in the few words that help has room for.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ok => "every node ok",
            Self::Nothing => "nothing matched, or not well",
            Self::Failed => "some node failed",
            Self::NoAnswer => "nobody answered",
            Self::Silent => "some silent",
            Self::Usage => "usage",
            Self::Unavailable => "hub unreachable",
            Self::Io => "output lost",
            Self::NoPermission => "cannot sign",
            Self::Config => "configuration",
            Self::Interrupted => "interrupted",
        }
    }

    /// What it means, as one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "Every expected node is ok.",
            Self::Nothing => {
                "Nothing matched, or declined (no node was asked), or absent on every node, or what was asked about is not well on some node (a service that does not run, a package that is half done); nothing was changed."
            }
            Self::Failed => {
                "Some node is failed, denied, rejected, interrupted, timed out or cancelled; comes before 3 and 4."
            }
            Self::NoAnswer => "Nobody answered, though at least one node was expected.",
            Self::Silent => {
                "All that answered are ok; some are no response, lost, down or skipped, nobody is called as one that was named, or the hub is too young to know every node."
            }
            Self::Usage => "The command line or a filter is wrong; no node was asked.",
            Self::Unavailable => "The hub cannot be reached; no node was asked.",
            Self::Io => {
                "Every expected node is ok, and the output could not be written; or the results that are kept here cannot be read."
            }
            Self::NoPermission => "Cannot sign, or not admitted; no node was asked.",
            Self::Config => "The configuration is wrong; no node was asked.",
            Self::Interrupted => "Interrupted; what still runs is named.",
        }
    }
}
