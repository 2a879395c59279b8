//! The contract that every agent keeps, and the agents of one node by name.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use marcato_core::ddl::{Action, Ddl};
use marcato_core::{ActionName, AgentName, Changed, Reason};

use crate::{Call, Outcome};

/// A future of an agent, such as that of a call.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An agent: what it declares and what it does.
///
/// An agent that cannot work on this host (no package manager, no service manager) is not made in
/// the first place.
pub trait Agent: Send + Sync {
    /// What it declares.
    fn ddl(&self) -> &Arc<Ddl>;

    /// Whether the action looks at the call's facts: only then are the volatile ones among them.
    fn reads_facts(&self, _action: &ActionName) -> bool {
        false
    }

    /// Does one action. Its inputs have been checked against the declaration. It keeps the call's
    /// time limit by itself, for it alone knows what must not be broken off.
    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome>;
}

/// The agents of one node.
#[derive(Clone, Default)]
pub struct Catalog {
    agents: BTreeMap<AgentName, Arc<dyn Agent>>,
}

impl Catalog {
    /// No agents.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an agent under its declared name; gives back the one that had the name before.
    pub fn insert(&mut self, agent: Arc<dyn Agent>) -> Option<Arc<dyn Agent>> {
        self.agents.insert(agent.ddl().metadata.name.clone(), agent)
    }

    /// The agent of this name.
    #[must_use]
    pub fn get(&self, name: &AgentName) -> Option<&Arc<dyn Agent>> {
        self.agents.get(name)
    }

    /// The declaration of one action.
    #[must_use]
    pub fn action(&self, agent: &AgentName, action: &ActionName) -> Option<&Action> {
        self.get(agent)?.ddl().actions.get(action)
    }

    /// All declarations, by name.
    #[must_use]
    pub fn ddls(&self) -> BTreeMap<AgentName, Arc<Ddl>> {
        self.agents.iter().map(|(name, agent)| (name.clone(), agent.ddl().clone())).collect()
    }

    /// The names of all agents, in order.
    pub fn names(&self) -> impl Iterator<Item = &AgentName> {
        self.agents.keys()
    }

    /// Does what a call asks, with declared defaults set in what comes back. What this node cannot
    /// do (an agent or action that is gone since the order was checked, inputs that no longer fit)
    /// fails without touching the host.
    pub async fn call(&self, call: &Call) -> Outcome {
        let refuse = |reason, message| Outcome::failed(reason, Changed::False, message);
        let Some(agent) = self.get(&call.agent) else {
            return refuse(Reason::UnknownAgent, format!("no agent {}", call.agent));
        };
        let Some(action) = agent.ddl().actions.get(&call.action) else {
            let message = format!("{} has no action {}", call.agent, call.action);
            return refuse(Reason::UnknownAction, message);
        };
        let mut outcome = match action.check_inputs(&call.inputs) {
            Ok(_) => agent.call(call).await,
            Err(error) => return refuse(Reason::Inputs, error.to_string()),
        };
        action.fill_outputs(&mut outcome.data);
        outcome
    }
}
