//! How long things may take, unless told otherwise.

use crate::time::Span;

/// How long a client waits for reads.
pub const READ_WAIT: Span = Span::from_secs(5);

/// How long a client waits for a change to start; once accepted its run limit counts.
pub const CHANGE_WAIT: Span = Span::from_secs(10);

/// By how much two clocks may differ without harm.
pub const SKEW: Span = Span::from_secs(30);

/// Within what time a node says that it has accepted an order that is not done by then.
pub const ACCEPTED_WITHIN: Span = Span::from_secs(2);

/// How often a node that runs an order says that it still does.
pub const PROGRESS_EVERY: Span = Span::from_secs(2);

/// How long after its run limit an accepted order may be silent before it is `lost`.
pub const LOST_AFTER: Span = Span::from_secs(5);

/// How long a client waits for any reply to a read before it asks the silent nodes whether they are
/// connected.
pub const PROBE_AFTER: Span = Span::from_ms(100);

/// How long a client waits for a hub's answer.
pub const HUB_WAIT: Span = Span::from_secs(5);

/// The longest time from issue to the last moment of start that a node accepts.
pub const START_WINDOW_MAX: Span = Span::from_secs(30 * 24 * 3600);

/// The longest run limit that an order may ask for.
pub const RUN_LIMIT_MAX: Span = Span::from_secs(24 * 3600);

/// How often a node says that it is there.
pub const HEARTBEAT_EVERY: Span = Span::from_secs(15);

/// After what silence the hub asks whether a node is still connected.
pub const HEARTBEAT_LATE: Span = Span::from_secs(20);

/// For how long after its start a hub may not know every node that is there: each says so with its next
/// heartbeat (15 s), once it is connected again (30 s); and two clocks may differ (30 s).
pub const HUB_GATHERS: Span = Span::from_secs(75);

/// After what silence a node is `gone`: one line with a count, no exit code.
pub const GONE_AFTER: Span = Span::from_secs(7 * 24 * 3600);
