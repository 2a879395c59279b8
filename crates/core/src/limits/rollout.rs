//! How an order goes over many nodes.

use crate::time::Span;

/// To how many nodes at a time a change of packages is sent, unless told otherwise: what they fetch
/// comes from the same few mirrors.
pub const PACKAGE_PARALLEL: usize = 200;

/// How long each place of a batch rests after a node, unless told otherwise.
pub const BATCH_SLEEP: Span = Span::from_secs(1);

/// What is allowed for each turn beside the longest that a node may take: the order's way there, and
/// whatever keeps the client busy.
pub const TURN_SLACK: Span = Span::from_secs(1);

/// The longest that each node may be waited for where an order goes from node to node: more would
/// leave no time for the others.
pub const PACED_WAIT_MAX: Span = Span::from_secs(12 * 3600);

/// The longest that an order sent to one node after another is valid. Whoever has it could start it on
/// a node that is left, however soon it was stopped.
pub const PACED_VALID_MAX: Span = Span::from_secs(24 * 3600);
