//! What the agent `service` waits for, and how much it reads and says.

use crate::time::Span;

/// How long systemd may take to answer a question; what changes a unit has its call's own limit.
pub const SYSTEMD_LIMIT: Span = Span::from_secs(5);

/// How long it may take to find out what else systemd would stop with a unit: a host has hundreds.
pub const RELATIONS_LIMIT: Span = Span::from_secs(10);

/// How much of what `systemctl` says is kept, in bytes.
pub const SYSTEMCTL_BYTES_MAX: usize = 64 * 1024;

/// How long a changed service is watched unless its file says otherwise: one that falls over at
/// once must not count as running.
pub const SETTLE: Span = Span::from_secs(2);

/// The longest time for which a file may want a service watched.
pub const SETTLE_MAX: Span = Span::from_secs(60);

/// The longest file in `service.d`, in bytes: it holds two keys.
pub const CARE_BYTES_MAX: u64 = 16 * 1024;

/// How many words the check of a configuration may have.
pub const PRECHECK_WORDS_MAX: usize = 64;

/// How long the check of a configuration may take.
pub const PRECHECK_LIMIT: Span = Span::from_secs(30);

/// How much of what a check says is kept, in bytes, and then how much of that is shown.
pub const PRECHECK_BYTES_MAX: usize = 64 * 1024;

/// The longest line of a log or of a check that is shown, in characters.
pub const SHOWN_LINE_MAX: usize = 300;

/// How many lines of a log or of a check are shown.
pub const SHOWN_LINES_MAX: usize = 4;

/// How many failed units are answered with their log; the rest is counted.
pub const FAILED_UNITS_MAX: usize = 50;

/// How long the journal may take for the last lines of one unit.
pub const JOURNAL_LIMIT: Span = Span::from_secs(3);

/// How long an init script may take to say whether its service runs.
pub const INIT_STATUS_LIMIT: Span = Span::from_secs(5);

/// The longest init script that is read, in bytes.
pub const INIT_SCRIPT_BYTES_MAX: u64 = 256 * 1024;

/// How long a look at all processes of a host may take: 3,000 of them take 0.2 s of processor time.
pub const STALE_LIMIT: Span = Span::from_secs(15);

/// How many different mapped files are remembered during one look; what comes behind is looked at
/// again each time. A small host has 500.
pub const STALE_FILES_MAX: usize = 32 * 1024;

/// The longest line of a process's `maps` that is understood, in bytes: a path has at most 4096,
/// and a line break in it takes four.
pub const MAPS_LINE_BYTES_MAX: usize = 20 * 1024;

/// The longest `cgroup` of a process that is read, in bytes.
pub const CGROUP_BYTES_MAX: u64 = 64 * 1024;

/// How many users of replaced files are told apart, of each kind; the rest is counted.
pub const STALE_USERS_MAX: usize = 500;

/// How many process ids, and how many files, are named for each of them.
pub const STALE_NAMED_MAX: usize = 20;

/// How many services a change of packages names that still run old code; the rest is counted.
pub const STALE_UNITS_MAX: usize = 100;

/// How many files of a package and its siblings are known by name. glibc's have 4,000.
pub const LIBRARY_FILES_MAX: usize = 200_000;

/// How much of the time limit must be left for one more of several restarts to be begun.
pub const CURE_RESERVE: Span = Span::from_secs(10);

/// How many entries of one folder of units are looked at for the nearest name.
pub const SERVICES_LISTED_MAX: usize = 4_096;
