//! What an agent's declaration, its answer and its output may weigh.

use crate::time::Span;

/// The longest agent declaration (DDL) that is read, in bytes: the largest known one has 30 KiB.
pub const DDL_BYTES_MAX: usize = 256 * 1024;

/// How deep a declaration may nest, in levels: Choria's form needs 6.
pub const DDL_DEPTH_MAX: usize = 12;

/// How many actions one agent may declare.
pub const DDL_ACTIONS_MAX: usize = 256;

/// How many inputs, outputs or aggregates one action may declare, each.
pub const DDL_FIELDS_MAX: usize = 256;

/// The longest text in a declaration (a description, a prompt, a list's item), in bytes.
pub const DDL_TEXT_BYTES_MAX: usize = 4 * 1024;

/// The longest regular expression in a declaration, in bytes.
pub const DDL_REGEX_BYTES_MAX: usize = 1024;

/// What a compiled regular expression of a declaration may take, in bytes: counted repetitions
/// can otherwise blow a short pattern up to hundreds of MiB.
pub const DDL_REGEX_COMPILED_BYTES_MAX: usize = 256 * 1024;

/// The longest value of a string input, in bytes, where the declaration sets no limit of its own.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// How many external agents one folder may hold; what comes behind is refused with a log line.
pub const EXTERNAL_AGENTS_MAX: usize = 256;

/// The longest reply file of an external agent, in bytes. The receipt takes less and is cut
/// there; this only keeps a runaway file out of memory.
pub const EXTERNAL_REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of an external agent's output (each of stdout and stderr) goes to the log, in bytes; the rest
/// is read and dropped, so that the agent does not block.
pub const EXTERNAL_LOG_BYTES_MAX: usize = 64 * 1024;

/// The longest line of an external agent's output in the log, in bytes; the rest becomes a line
/// of its own.
pub const EXTERNAL_LOG_LINE_BYTES_MAX: usize = 2 * 1024;

/// How long an external agent may take to say whether it works on this host: Choria's limit.
pub const ACTIVATION_LIMIT: Span = Span::from_secs(2);

/// How many external agents are asked at once whether they work on this host.
pub const ACTIVATIONS_AT_ONCE: usize = 8;

/// How long all of them together may take to say so; the node connects only then.
pub const ACTIVATIONS_LIMIT: Span = Span::from_secs(60);

/// How much longer than its declared time limit an external agent may run: Choria's allowance.
pub const EXTERNAL_ALLOWANCE: Span = Span::from_ms(1500);

/// How many symbolic links may lie on the way to a program: the kernel's own limit.
pub const LINKS_MAX: usize = 40;

/// How long a process may take to end after TERM before KILL follows.
pub const TERM_GRACE: Span = Span::from_secs(2);

/// How long a process is waited for after KILL: one that waits in the kernel, such as for a dead
/// disk, ends when that does.
pub const KILL_GRACE: Span = Span::from_secs(2);

/// How long what an ended agent left behind (a forked daemon that holds its output open) is read
/// from before it is cut off.
pub const OUTPUT_GRACE: Span = Span::from_ms(200);

/// The longest outcome or call file of a runner, in bytes: an external reply written anew.
pub const RUN_FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest dpkg status file that is read, in bytes: 20 times that of a full desktop.
pub const DPKG_STATUS_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How many packages the index of dpkg's database holds: all of Debian has 65,000. With more it
/// cannot be read, for what is left out would be called absent.
pub const DPKG_PACKAGES_MAX: usize = 200_000;

/// How often dpkg's database is read for one question while dpkg replaces it.
pub const DPKG_READS_MAX: usize = 3;

/// The longest text in which an agent says what it does or waits for, in bytes.
pub const SAID_BYTES_MAX: usize = 256;

/// How long a runner tries to end what its agent left behind.
pub const TREE_LIMIT: Span = Span::from_secs(5);

/// How long a runner tries to get a scope of its own from systemd before it goes on without.
pub const SCOPE_LIMIT: Span = Span::from_secs(2);

/// How often an earlier daemon's runner is looked at where the kernel cannot say when it ends
/// (Linux before 5.3).
pub const RUNNER_POLL: Span = Span::from_ms(200);

/// How old package lists may be before `refresh=auto` refreshes them.
pub const LISTS_FRESH: Span = Span::from_secs(60 * 60);

/// How long a change waits for the package manager's lock, where the order does not say.
pub const LOCK_WAIT: Span = Span::from_secs(120);

/// How often a lock that is waited for is looked at.
pub const LOCK_POLL: Span = Span::from_ms(250);

/// How much of what apt and dpkg say is kept, in bytes: a large upgrade says some 100 KiB.
pub const APT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long apt may take to answer a question that downloads nothing.
pub const APT_QUESTION_LIMIT: Span = Span::from_secs(60);

/// How many packages an answer names at most: those that a search finds, and those that wait for an
/// update.
pub const PACKAGES_NAMED_MAX: usize = 500;

/// How much space must be left beside what a change needs, in bytes: dpkg writes its database anew
/// while it works.
pub const SPACE_SPARE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of what a package manager complains of is told, in characters.
pub const COMPLAINT_CHARS_MAX: usize = 500;
