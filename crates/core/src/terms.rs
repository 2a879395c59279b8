//! A filter's terms as an order carries them: the text exactly as it was typed, so that what the
//! operator signed is what a person reads on the wire. The filter room gives them their meaning.

use serde::{Deserialize, Serialize};

/// The terms of a filter; terms of different kinds are ANDed. Empty means every node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Fact terms such as `hagroup=c`; all must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// Class terms; all must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Identity terms; any one is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// Agent terms; the node must have one for each. An order adds its own agent's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Expressions such as `hagroup=c and not common`; all must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<String>,
}

impl Terms {
    /// How many terms there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.facts.len()
            + self.classes.len()
            + self.identities.len()
            + self.agents.len()
            + self.expressions.len()
    }

    /// Whether every node is meant.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
