//! What a node takes on, remembers and keeps.

use crate::time::Span;

/// How many orders of one caller a node remembers at a time, answered or not. More are refused, not
/// forgotten: a read of the common wait is remembered for 65 s (wait and twice the skew), so this is
/// 126 reads a second.
pub const SEEN_PER_CALLER_MAX: usize = 8192;

/// What the kept receipts of one caller may weigh, in bytes.
pub const SEEN_BYTES_PER_CALLER_MAX: usize = 16 * 1024 * 1024;

/// How long the receipt of a change is kept after its end, so that a late copy of the order is
/// answered with it. An operator's program does not live that long.
pub const CHANGE_RECEIPT_KEPT: Span = Span::from_secs(24 * 3600);

/// How long after its end the receipt of a change is sent again unasked, when the node starts or
/// its connection turns out to be dead: it may not have gone out before.
pub const RECEIPT_SENT_AGAIN: Span = Span::from_secs(60);

/// How many receipts wait for a connection; a client that lacks one asks again.
pub const UNSENT_RECEIPTS_MAX: usize = 1024;

/// For how many agent's items a node knows the last change, to refuse older ones.
pub const LAST_CHANGES_MAX: usize = 4096;

/// How many orders of which one caller said that they shall not begin a node keeps in mind, each for as
/// long as it might still come. More are refused.
pub const BARS_PER_CALLER_MAX: usize = 1024;

/// The longest receipt that an answer about its order carries, in bytes: as text in an answer it takes
/// more, and that must fit into a reply.
pub const RECEIPT_CARRIED_BYTES_MAX: usize = 128 * 1024;

/// How many refusals of orders that did not verify a node remembers, so that none of them is run
/// after all. Beyond this it does not answer such orders.
pub const REFUSALS_KEPT_MAX: usize = 1024;

/// How many orders that do not verify are answered and logged in a second; the others are counted.
pub const REFUSALS_PER_SECOND: u32 = 20;

/// How many copies of known orders are answered in a second. A client sends one.
pub const COPIES_PER_SECOND: u32 = 100;

/// How often the number of refusals without an answer is logged.
pub const REFUSALS_COUNTED_EVERY: Span = Span::from_secs(60);

/// How often a node sends its registration, whoever wants it.
pub const REGISTRATION_AT_MOST_EVERY: Span = Span::from_secs(1);

/// How many reads run at once.
pub const READS_RUNNING_MAX: usize = 64;

/// How many reads wait for their turn.
pub const READS_WAITING_MAX: usize = 256;

/// How many changes of one agent wait for the one that runs.
pub const CHANGES_WAITING_MAX: usize = 64;

/// After how long a read that still runs says so: within
/// [`ACCEPTED_WITHIN`](super::timing::ACCEPTED_WITHIN).
pub const READ_PROGRESS_AFTER: Span = Span::from_ms(1500);

/// How much longer than its limit a read may take to end by itself before the node answers for it.
pub const READ_OVERDUE: Span = Span::from_ms(500);

/// How often the highest verified time is written down.
pub const CLOCK_KEPT_EVERY: Span = Span::from_secs(60);

/// How long reads that run may take to end once the node stops. Changes go on without it.
pub const STOP_GRACE: Span = Span::from_secs(1);

/// The longest text that a node puts into a log entry or a receipt of its own, in bytes.
pub const TEXT_BYTES_MAX: usize = 2048;

/// How many lines a node says of what is wrong with it; its log has the others.
pub const HEALTH_LINES_MAX: usize = 32;

/// The longest of these lines, in bytes.
pub const HEALTH_LINE_BYTES_MAX: usize = 512;

/// The longest journal, in bytes, before it is rewritten without what is not needed any more.
pub const JOURNAL_BYTES_BEFORE_REWRITE: u64 = 16 * 1024 * 1024;

/// The longest journal that is taken, in bytes. Beyond it no change is accepted.
pub const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How often a journal is rewritten at most.
pub const JOURNAL_REWRITTEN_AT_MOST_EVERY: Span = Span::from_secs(60);

/// The longest `node.toml`, certificate, key or policy file that is read, in bytes; and the most that is
/// kept of the last good facts.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// How many files a policy may have.
pub const POLICY_FILES_MAX: usize = 256;

/// How many of a node's writes wait for the disk.
pub const DISK_QUEUE_MAX: usize = 1024;

/// How many events of a node's own (writes done, commands) wait to be taken in.
pub const EVENTS_WAITING_MAX: usize = 256;

/// How often facts are read again.
pub const FACTS_READ_EVERY: Span = Span::from_secs(15 * 60);

/// How long the connection may take to send what waits when the node ends.
pub const CLOSE_LIMIT: Span = Span::from_secs(1);

/// How long a node waits at its start for the folder that an earlier daemon is about to leave.
pub const LOCK_PATIENCE: Span = Span::from_ms(500);
