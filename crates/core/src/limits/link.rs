//! What the one connection to the broker keeps in hand, and how long it waits.

use std::time::Duration;

/// How many messages may wait on each of a node's subscriptions before they are thrown away: as many
/// orders as come while it writes one to disk. The client library counts messages, not bytes, and a
/// broker passes messages of 1 MiB, so whoever may publish to a node can have it hold 1 GiB.
pub const NODE_PENDING_MESSAGES_MAX: usize = 1024;

/// The same for a hub, where the registrations of a whole fleet come at once after a restart, and for
/// a command, to which all receipts come at once: five for each of 50,000 nodes. Of these 4 KiB each
/// are 1 GiB; whoever floods them with messages of 1 MiB meets no limit here that a host could bear.
pub const FLEET_PENDING_MESSAGES_MAX: usize = 256 * 1024;

/// A node's read buffer, in bytes: it waits for ever and reads little.
pub const NODE_READ_BYTES_MAX: u16 = 4 * 1024;

/// The read buffer of a hub and of a command, in bytes: the largest that the client library has.
pub const FLEET_READ_BYTES_MAX: u16 = 65_535;

/// How many of a broker's refusals wait to be told; more of the same time are not.
pub const REFUSALS_MAX: usize = 16;

/// How often, at most, the program is told that the broker refused something, or that messages were
/// thrown away.
pub const COMPLAINT_EVERY: Duration = Duration::from_secs(1);

/// How long one attempt to connect may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two attempts of a command that connects.
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How often the client asks the broker whether it is there.
pub const PING_EVERY: Duration = Duration::from_secs(20);

/// How long a message may wait until those before it are taken: nats-server's own write deadline.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

/// How long handing everything to the operating system may take.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// What the ceiling of the random pause before a link is made again begins with; each attempt doubles
/// it.
pub const RECONNECT_DELAY_BASE: Duration = Duration::from_millis(250);

/// The longest pause before a link is made again: 50,000 nodes then come at about 1,700 a second.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(30);

/// The same for a command, for which somebody waits.
pub const CLIENT_RECONNECT_DELAY_MAX: Duration = Duration::from_secs(1);
