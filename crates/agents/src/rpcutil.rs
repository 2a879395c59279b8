//! The agent `rpcutil`: the node's time, what is known of it, its facts.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_agent::{Agent, BoxFuture, Call, Outcome, Shipped, job, policy};
use marcato_core::ddl::{Ddl, DdlError};
use marcato_core::{ActionName, AgentName, Facts, Reason};
use serde_json::{Value, json};

/// Its declaration.
pub static DDL: Shipped = Shipped::new(include_bytes!("../ddl/rpcutil.json"));

/// What a node tells about itself beside its facts.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The version of the program.
    pub version: String,
    /// The classes that configuration management gave it.
    pub classes: Shared,
    /// What is wrong with it, a line each.
    pub health: Shared,
}

/// Words about a node, shared with whoever keeps them up to date while the node runs.
pub type Shared = Arc<RwLock<Vec<String>>>;

/// The agent.
pub struct Rpcutil {
    ddl: Arc<Ddl>,
    about: About,
    agents: Vec<AgentName>,
}

impl Rpcutil {
    /// The agent of a node with these other agents.
    ///
    /// # Errors
    /// Its declaration is wrong, which its tests rule out.
    pub fn new(about: About, mut agents: Vec<AgentName>) -> Result<Self, DdlError> {
        let ddl = DDL.ddl()?;
        agents.push(ddl.metadata.name.clone());
        agents.extend([job::DDL.ddl()?, policy::DDL.ddl()?].map(|ddl| ddl.metadata.name.clone()));
        agents.sort();
        agents.dedup();
        Ok(Self { ddl, about, agents })
    }

    fn answer(&self, call: &Call) -> Outcome {
        let data = match call.action.as_str() {
            "ping" => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let pong = now.as_secs();
                // Most nodes are well, and are asked often.
                match &words(&self.about.health)[..] {
                    [] => json!({ "pong": pong }),
                    health => json!({ "pong": pong, "health": health }),
                }
            }
            "inventory" => json!({
                "agents": self.agents,
                "facts": *call.facts,
                "classes": *words(&self.about.classes),
                "health": *words(&self.about.health),
                "version": self.about.version,
                "main_collective": call.collective,
                "collectives": [call.collective],
            }),
            _ => return get_fact(crate::text(call, "fact"), &call.facts),
        };
        Outcome::ok(crate::outputs(data))
    }
}

fn words(shared: &Shared) -> RwLockReadGuard<'_, Vec<String>> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn get_fact(name: &str, facts: &Facts) -> Outcome {
    let value = find(name, facts);
    let data = crate::outputs(json!({ "fact": name, "value": value }));
    match value {
        Some(_) => Outcome::ok(data),
        None => Outcome::ok(data).because(Reason::NoValue),
    }
}

/// A fact of exactly this name, else the value that a dotted name reaches inside structured facts.
fn find<'a>(name: &str, facts: &'a Facts) -> Option<&'a Value> {
    if let Some(value) = facts.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = facts.get(parts.next()?)?;
    parts.try_fold(first, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

impl Agent for Rpcutil {
    fn ddl(&self) -> &Arc<Ddl> {
        &self.ddl
    }

    fn reads_facts(&self, action: &ActionName) -> bool {
        action.as_str() != "ping"
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        Box::pin(async { self.answer(call) })
    }
}
