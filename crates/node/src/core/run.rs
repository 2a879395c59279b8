//! The name of one step of one order on this node.

use std::fmt;
use std::str::FromStr;

use marcato_core::OrderId;
use serde::{Deserialize, Serialize};

/// One step of one order: what a node runs at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunKey {
    /// The order.
    pub order: OrderId,
    /// The step, from 0.
    pub step: u64,
}

/// `<order>-<step>`: the name of the run's directory.
impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.order, self.step)
    }
}

/// A text that is not the name of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a run is ORDER-STEP")]
pub struct RunKeyError;

impl FromStr for RunKey {
    type Err = RunKeyError;

    fn from_str(text: &str) -> Result<Self, RunKeyError> {
        let (order, step) = text.split_once('-').ok_or(RunKeyError)?;
        let order = order.parse().map_err(|_| RunKeyError)?;
        let step = step.parse().map_err(|_| RunKeyError)?;
        let key = Self { order, step };
        // One run has one name: no leading zeros or signs.
        if key.to_string() == text { Ok(key) } else { Err(RunKeyError) }
    }
}
