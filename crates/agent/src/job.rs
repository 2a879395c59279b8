//! The agent `job`: how far an order is on a node, and that it shall not begin there.
//!
//! A node answers it itself, for only the node knows its queues; so there is a declaration and no
//! implementation. It stands here because nodes and clients both need it.

use crate::Shipped;

/// Its name.
pub const NAME: &str = "job";

/// The action that says how far an order is.
pub const PROGRESS: &str = "progress";

/// The action that lets nothing of an order begin any more.
pub const CANCEL: &str = "cancel";

/// The input that names the order.
pub const ORDER: &str = "order";

/// Its declaration.
pub static DDL: Shipped = Shipped::new(include_bytes!("../ddl/job.json"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_node_looks_for_is_declared() {
        let ddl = DDL.ddl().unwrap();
        assert_eq!(ddl.metadata.name.as_str(), NAME);
        let changes = |action: &str| ddl.actions[&action.parse().unwrap()].changes();
        assert!(!changes(PROGRESS) && changes(CANCEL));
        assert!(ddl.actions.values().all(|action| action.input.contains_key(ORDER)));
    }
}
