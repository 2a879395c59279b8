//! What the hub's registry may hold, and how often it asks.

use crate::time::Span;

/// How many nodes the registry holds: twice the largest fleet that is designed for.
pub const REGISTRY_NODES_MAX: usize = 100_000;

/// What all registrations together may weigh, in bytes as they travelled: 10 KiB for each node of
/// the largest registry.
pub const REGISTRY_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// How often a node whose heartbeat is late is asked whether it is connected.
pub const ASK_LATE_EVERY: Span = Span::from_secs(10);

/// How often one node is asked for its registration.
pub const WANTED_EVERY: Span = Span::from_secs(2);

/// How many nodes that are not registered are remembered as asked; beyond it none is asked until
/// the earlier ones have had their time.
pub const WANTED_MAX: usize = 10_000;

/// How many values of a fact one answer tells, the most frequent first.
pub const VALUES_MAX: usize = 1000;

/// How much of one value an answer tells, in bytes.
pub const VALUE_BYTES_MAX: usize = 256;

/// How many facts' names that are near to a wrong one an answer tells.
pub const NEAREST_MAX: usize = 3;

/// How many names that begin with the same letters one answer tells: more than anybody reads who
/// wants to type the next letter.
pub const NAMES_MAX: usize = 200;

/// How often messages that are refused are logged, for each reason; the ones between are counted.
pub const LOG_REFUSED_EVERY: Span = Span::from_secs(10);
