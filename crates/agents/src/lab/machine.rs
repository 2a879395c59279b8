//! What can be wrong with a simulated host as a machine.

use std::sync::Arc;
use std::time::Duration;

use marcato_agent::{Agent, BoxFuture, Call, Outcome};
use marcato_core::ddl::Ddl;
use serde::{Deserialize, Serialize};

use super::Lab;

/// What is wrong with a simulated host as a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabMachine {
    /// Whether it is switched off.
    pub down: bool,
    /// How long its agents take for anything, in milliseconds.
    pub slow_ms: u64,
    /// By how much its clock is behind, in seconds.
    pub clock_behind: u64,
}

/// An agent on a simulated host that may be slow.
pub(crate) struct Paced<A> {
    agent: A,
    lab: Lab,
}

impl<A> Paced<A> {
    pub(crate) const fn new(agent: A, lab: Lab) -> Self {
        Self { agent, lab }
    }
}

impl<A: Agent> Agent for Paced<A> {
    fn ddl(&self) -> &Arc<Ddl> {
        self.agent.ddl()
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            // A host that cannot be read is told of by what is asked of it.
            let slow_ms = self.lab.read().map_or(0, |host| host.machine.slow_ms);
            if slow_ms > 0 {
                tokio::time::sleep(Duration::from_millis(slow_ms)).await;
            }
            self.agent.call(call).await
        })
    }
}
