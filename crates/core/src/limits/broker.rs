//! What the embedded broker grants a client; where nothing else is said, nats-server's own default.

use std::time::Duration;

/// The longest message, headers and payload together, in bytes: nats-server's `max_payload`.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// The longest arguments of one control line, in bytes: nats-server's `max_control_line`.
pub const CONTROL_LINE_BYTES_MAX: usize = 4 * 1024;

/// How many bytes may wait for one client before it is evicted as a slow consumer: nats-server's
/// `max_pending`.
pub const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a client may take nothing off a full socket: nats-server's `write_deadline`.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// How many clients may be connected at once: nats-server's `max_connections`.
pub const CONNECTIONS_MAX: usize = 64 * 1024;

/// How many subscriptions one client may hold. nats-server sets no limit; a hub needs some dozens. Each
/// costs the broker up to 20 KiB, with as many tokens and bytes as a pattern can have, so one client
/// has it hold 20 MiB at most.
pub const SUBSCRIPTIONS_MAX: usize = 1024;

/// How many tokens a subject may have. nats-server sets no limit; Marcato's own subjects have under
/// ten, and every token of a pattern costs the broker a node of its tree.
pub const SUBJECT_TOKENS_MAX: usize = 32;

/// How long a client may take to say CONNECT. nats-server's `auth_timeout` is 2 s; a fleet that
/// comes back at once to a small host needs longer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After what silence of a client the broker sends a PING, and the next one. nats-server waits two
/// minutes, which is too long to learn that a host was switched off.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);

/// After what silence a connection is stale: two PINGs were missed, and of the 60 s in which a cut
/// link must show, 10 are left for the hub to see it.
pub const STALE_AFTER: Duration = Duration::from_secs(50);

/// How many connections one address may open at once before its rate counts: a lab of this size,
/// or a site behind one translated address, comes back in one go.
pub const ACCEPT_BURST_MAX: u32 = 10_000;

/// How many connections a second one address may open once its burst is used up.
pub const ACCEPT_PER_SECOND: u32 = 1_000;

/// How many addresses the accept rate is remembered for; beyond it the fullest allowances, which
/// say the least, are forgotten first.
pub const ACCEPT_ADDRESSES_MAX: usize = 16 * 1024;

/// How long connections still serve once the broker was told to end, so that answers under way
/// arrive.
pub const LAME_DUCK: Duration = Duration::from_millis(250);

/// How long the broker waits at its end for what is still to be written.
pub const SHUTDOWN_FLUSH: Duration = Duration::from_secs(1);

/// How long the broker waits before it accepts again after the system had no descriptor left.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How many bytes are read from a socket at once, in a buffer that all connections of a thread
/// share.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// From what size on receivers share one copy of a message, in bytes; below it, copying costs less
/// than keeping count.
pub const SHARED_BYTES_MIN: usize = 4 * 1024;

/// How many pieces one write to a socket may gather: what Linux takes at most is 1,024.
pub const WRITE_PIECES_MAX: usize = 64;

/// How long the broker keeps a connection that it has closed for writing, so that its last words
/// are not lost in a reset.
pub const LINGER: Duration = Duration::from_millis(500);

/// How many connections may wait to be accepted: the most that Linux takes by default.
pub const ACCEPT_BACKLOG: u32 = 4096;

/// How many reads one connection does before others get their turn.
pub const READS_PER_TURN: usize = 8;

/// How often, at most, a refusal is logged for each reason; the rest is counted.
pub const REFUSAL_LOG_EVERY: Duration = Duration::from_secs(1);
