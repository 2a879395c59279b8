//! What a client waits for, remembers and keeps in hand.

use crate::time::Span;

/// How long a client tries to reach the broker before it says that nothing was sent.
pub const CONNECT_WAIT: Span = Span::from_secs(5);

/// After what silence of the hub a question is asked again, under a new id.
pub const ASK_AGAIN_AFTER: Span = Span::from_ms(1500);

/// How often a question is asked again before what is missing counts as not there.
pub const ASKED_AGAIN_MAX: u32 = 8;

/// How long a hub's answers may take in all, however often it says something: whoever holds its words
/// back must not hold a command for hours.
pub const ASKED_FOR_MAX: Span = Span::from_secs(60);

/// The names in one question for certificates, in bytes: with the rest of the question well under
/// the limit of a body.
pub const ASKED_NAMES_BYTES_MAX: usize = 128 * 1024;

/// For how many names that nobody is called the nearest right one is looked for: in the largest fleet
/// each takes a tenth of a second.
pub const NEAREST_NAMES_MAX: usize = 3;

/// How long a key may take to sign: a person may have to touch it, or to confirm.
pub const SIGN_WAIT: Span = Span::from_secs(60);

/// For how long nodes that refused a read because they have just started are gathered before it is
/// signed anew for all of them.
pub const RESIGN_AFTER: Span = Span::from_ms(50);

/// How often one read is signed in all: anew for nodes that have just started, and not for ever where
/// nodes start one after another, since each time a person may have to touch a key.
pub const READ_SIGNED_MAX: usize = 4;

/// Where nobody knows which nodes to expect: the silence after the last answer that ends the wait.
/// Every node that works has said so by then.
pub const QUIET_AFTER: Span = super::timing::ACCEPTED_WITHIN;

/// How many messages are handed to the link before the core looks whether it was interrupted.
pub const SEND_BATCH: usize = 256;

/// How many different (node, reason) pairs of refused messages are told apart; whoever writes to a
/// client's subjects could invent names without end.
pub const REFUSED_MAX: usize = 10_000;

/// How much of a fault's words is kept, in characters: part of it may be the sender's.
pub const REFUSED_TEXT_MAX: usize = 200;

/// How many nodes that were not expected a report takes up: twice the largest fleet.
pub const UNEXPECTED_MAX: usize = 100_000;

/// The longest file of known nodes, in bytes: a million lines of the common length.
pub const KNOWN_NODES_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How many threads check signatures beside the one that reads.
pub const CHECK_THREADS_MAX: usize = 4;

/// How many messages wait for each thread that checks them; beyond it reading waits.
pub const CHECK_QUEUE_MAX: usize = 1024;

/// From how many expected answers on signatures are checked by threads of their own: for fewer,
/// starting the threads takes longer than they save.
pub const CHECK_THREADS_FROM: usize = 24;

/// How often whoever shows a running job is told that time passes.
pub const SHOWN_EVERY: Span = Span::from_ms(250);

/// Up to how many nodes a change is confirmed by a letter; beyond it the number is to be typed.
pub const CONFIRMED_BY_LETTER_MAX: usize = 50;

/// The longest passphrase that can be typed, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// After what silence a node of a job that is followed is asked again, for which a key may want to be
/// touched: longer than that of a node that works. Each time twice as long as before.
pub const FOLLOWED_QUIET_MIN: Span = super::timing::LOST_AFTER;

/// How long that silence may come to be.
pub const FOLLOWED_QUIET_MAX: Span = Span::from_secs(30);

/// How often in a row a node of a job that is followed is asked in vain before its word is left.
pub const FOLLOWED_SILENT_MAX: u32 = 2;

/// How many messages of nodes whose job is followed are kept while they are asked about it; who is
/// beyond that is asked again.
pub const OVERHEARD_MAX: usize = 1024;

/// How many results of an operator's last commands are kept.
pub const JOBS_KEPT_MAX: usize = 200;

/// After what time a command shows on a terminal how far it is: a quick one does not flicker.
pub const PROGRESS_AFTER: Span = Span::from_secs(2);

/// How much of what a node says that it does or waits for is shown, in characters: others are named
/// behind it on the same line.
pub const SHOWN_SAID_MAX: usize = 60;

/// How long the hub may take to answer whoever presses the key for completion; with the start of the
/// program below what feels like waiting, 150 ms. Later there is no answer.
pub const COMPLETION_WAIT: Span = Span::from_ms(120);

/// The longest list of nodes that a command reads, in bytes: so many names as are taken, each of the
/// longest kind.
pub const LIST_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The widest line of bars that shows how times are spread, in columns.
pub const SPARK_COLUMNS_MAX: usize = 40;

/// In fleets of up to so many nodes the question before a change tells of their systems: beyond it
/// the lists of names take more than a moment.
pub const SYSTEMS_COUNTED_MAX: u64 = 5_000;

/// Up to how many values of a fact that question asks for by name.
pub const SYSTEM_VALUES_MAX: usize = 8;
