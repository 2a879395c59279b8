//! The agent `policy`: whether its asker may have an action run on a node.
//!
//! A node answers it itself, for only the node knows its rules; so, as for [`crate::job`], there is a
//! declaration and no implementation.

use crate::Shipped;

/// Its name.
pub const NAME: &str = "policy";

/// The action that says whether its asker may.
pub const CAN: &str = "can";

/// The input that names the agent.
pub const AGENT: &str = "agent";

/// The input that names the action.
pub const ACTION: &str = "action";

/// Its declaration.
pub static DDL: Shipped = Shipped::new(include_bytes!("../ddl/policy.json"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_node_looks_for_is_declared() {
        let ddl = DDL.ddl().unwrap();
        assert_eq!(ddl.metadata.name.as_str(), NAME);
        let can = &ddl.actions[&CAN.parse().unwrap()];
        assert!(!can.changes() && can.input.keys().eq([ACTION, AGENT]));
    }
}
