//! A simulated host: what is on it, and what its agents do to it. This is the truth that receipts
//! are compared with.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use marcato_agent::{Call, Outcome};
use marcato_core::ddl::Ddl;
use marcato_core::{AgentName, Changed, Facts, Reason};
use marcato_node::core::Rules;
use marcato_node::core::policy::Policy;
use marcato_protocol::allowed_signers::AllowedSigners;
use serde_json::{Map, Value, json};

use crate::keys::{Keys, name};

/// What is on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// How often each service was restarted.
    pub services: BTreeMap<&'static str, u64>,
    /// The version of each package.
    pub packages: BTreeMap<&'static str, u64>,
    /// How often the host was started.
    pub starts: u64,
}

/// What an action did or saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// Whether the host is another now.
    pub changed: bool,
    /// `absent`, `unchanged`, `no-value`.
    pub reason: Option<Reason>,
    /// What is to be answered.
    pub data: Map<String, Value>,
}

impl Host {
    /// A host as it is first built.
    #[must_use]
    pub fn new(index: usize) -> Self {
        let nginx = (!index.is_multiple_of(3)).then_some(("nginx", 0));
        let curl = index.is_multiple_of(2).then_some(("curl", 7));
        Self {
            services: [("ssh", 0)].into_iter().chain(nginx).collect(),
            packages: [("openssl", 1)].into_iter().chain(curl).collect(),
            starts: 1,
        }
    }

    /// Does what a call asks, at this moment.
    pub fn act(&mut self, call: &Call) -> Deed {
        let text = |input: &str| call.inputs.get(input).and_then(Value::as_str).unwrap_or("");
        match (call.agent.as_str(), call.action.as_str()) {
            ("service", action) => match self.services.get_mut(text("service")) {
                None => Deed::nothing(Reason::Absent),
                Some(restarts) if action == "restart" => {
                    *restarts += 1;
                    Deed::done(true, "restarts", json!(*restarts))
                }
                Some(restarts) => Deed::done(false, "restarts", json!(*restarts)),
            },
            ("package", "install") => {
                let version = call.inputs.get("version").and_then(Value::as_u64).unwrap_or(0);
                match self.packages.get_mut(text("package")) {
                    None => Deed::nothing(Reason::Absent),
                    Some(known) if *known == version => {
                        let deed = Deed::done(false, "version", json!(version));
                        Deed { reason: Some(Reason::Unchanged), ..deed }
                    }
                    Some(known) => {
                        *known = version;
                        Deed::done(true, "version", json!(version))
                    }
                }
            }
            ("package", _) => match self.packages.get(text("package")) {
                None => Deed::nothing(Reason::Absent),
                Some(version) => Deed::done(false, "version", json!(version)),
            },
            ("rpcutil", "get_fact") => match call.facts.get(text("fact")) {
                None => Deed::nothing(Reason::NoValue),
                Some(value) => Deed::done(false, "value", value.clone()),
            },
            _ => Deed::done(false, "starts", json!(self.starts)),
        }
    }
}

impl Deed {
    fn done(changed: bool, output: &str, value: Value) -> Self {
        let data = Map::from_iter([(output.to_owned(), value)]);
        Self { changed, reason: None, data }
    }

    fn nothing(reason: Reason) -> Self {
        Self { changed: false, reason: Some(reason), data: Map::new() }
    }

    /// Whether the host was changed, as receipts say it.
    #[must_use]
    pub const fn changed(&self) -> Changed {
        if self.changed { Changed::True } else { Changed::False }
    }

    /// The outcome of an action that did this and went well.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let outcome = Outcome::ok(self.data.clone()).changing(self.changed());
        Outcome { reason: self.reason, ..outcome }
    }
}

/// Which form of the service agent a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceAgent {
    /// The one that everybody has.
    Current,
    /// An older one that cannot restart.
    Old,
    /// None.
    Missing,
}

/// Who may do what on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Allowed {
    /// Everybody everything.
    Everything,
    /// The first operator everything, the others reads.
    FirstChanges,
    /// Nobody restarts anything.
    NoRestarts,
    /// No rule at all.
    Nothing,
}

/// A host's files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Files {
    /// Its number, which is a fact.
    pub index: usize,
    /// Its fault group, which is a fact.
    pub group: char,
    /// Its service agent.
    pub service: ServiceAgent,
    /// Its policy.
    pub allowed: Allowed,
    /// Whether its `allowed_signers` has the second operator.
    pub second: bool,
    /// Whether it takes no changes.
    pub read_only: bool,
}

impl Files {
    /// A host's files as it is first built.
    #[must_use]
    pub const fn new(index: usize) -> Self {
        let group = ['a', 'b', 'c'][index % 3];
        let (service, allowed) = (ServiceAgent::Current, Allowed::Everything);
        Self { index, group, service, allowed, second: true, read_only: false }
    }

    /// The facts.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::from([
            ("hagroup".to_owned(), json!(self.group.to_string())),
            ("number".to_owned(), json!(self.index)),
        ]);
        if self.index % 2 == 1 {
            facts.insert("rack".to_owned(), json!(format!("r{}", self.index / 4)));
        }
        facts
    }

    /// Whether the host has this agent.
    #[must_use]
    pub fn has(&self, agent: &str) -> bool {
        match agent {
            "service" => self.service != ServiceAgent::Missing,
            _ => ["rpcutil", "package", "job"].contains(&agent),
        }
    }

    /// Whether these files let this operator do this: said again in other words than the policy's,
    /// so that the checkers do not ask what they check.
    #[must_use]
    pub fn permit(&self, operator: usize, agent: &str, action: &str, change: bool) -> bool {
        let known = operator == 0 || (operator == 1 && self.second);
        let has = match (agent, self.service) {
            ("service", ServiceAgent::Missing) => false,
            ("service", ServiceAgent::Old) => action == "status",
            _ => true,
        };
        let may = match self.allowed {
            Allowed::Everything => true,
            Allowed::FirstChanges => operator == 0 || !change,
            Allowed::NoRestarts => action != "restart",
            Allowed::Nothing => false,
        };
        known && has && may && !(change && self.read_only)
    }

    /// The files as a node reads them.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let facts = Arc::new(self.facts());
        Rules {
            signers: signers(self.second),
            policy: Arc::new(self.policy()),
            agents: agents(self.service),
            facts,
            classes: vec![if self.index.is_multiple_of(4) { "web" } else { "other" }.to_owned()],
            health: Vec::new(),
            read_only: self.read_only,
        }
    }

    fn policy(&self) -> Policy {
        let text = match self.allowed {
            Allowed::Everything => "allow callers=* agents=* actions=*\n",
            Allowed::FirstChanges => {
                "allow callers=op1@example.com agents=* actions=*\n\
                 allow callers=* agents=* actions=* effect=read\n"
            }
            Allowed::NoRestarts => {
                "deny callers=* agents=service actions=restart\n\
                 allow callers=* agents=* actions=*\n"
            }
            Allowed::Nothing => "",
        };
        let file = ("10-sim.policy".to_owned(), text.to_owned());
        let Ok(policy) = Policy::parse(&[file]) else { panic!("the simulated policy is none") };
        policy
    }
}

/// Declarations by agent.
type Ddls = BTreeMap<AgentName, Arc<Ddl>>;

/// The agents that a host has.
fn agents(service: ServiceAgent) -> Ddls {
    static AGENTS: OnceLock<[Ddls; 3]> = OnceLock::new();
    let sets = AGENTS.get_or_init(|| {
        let texts: [&[u8]; 3] = [
            include_bytes!("../ddl/rpcutil.json"),
            include_bytes!("../ddl/package.json"),
            include_bytes!("../ddl/service.json"),
        ];
        let parse = |text: &[u8]| match Ddl::parse(text) {
            Ok(ddl) => Arc::new(ddl),
            Err(error) => panic!("a simulated agent's declaration: {error}"),
        };
        let all = texts.into_iter().map(parse).chain(marcato_agent::job::DDL.ddl());
        let current: Ddls = all.map(|ddl| (ddl.metadata.name.clone(), ddl)).collect();
        let service: AgentName = name("service");
        let mut old = current.clone();
        let mut ddl = Ddl::clone(&current[&service]);
        ddl.actions.retain(|action, _| action.as_str() != "restart");
        old.insert(service.clone(), Arc::new(ddl));
        let mut missing = current.clone();
        missing.remove(&service);
        [current, old, missing]
    });
    sets[service as usize].clone()
}

/// The declaration of an agent that every client has.
///
/// # Panics
/// Where there is no such agent.
#[must_use]
pub fn declaration(agent: &str) -> Arc<Ddl> {
    agents(ServiceAgent::Current)[&name::<AgentName>(agent)].clone()
}

fn signers(second: bool) -> Arc<AllowedSigners> {
    static SIGNERS: OnceLock<[Arc<AllowedSigners>; 2]> = OnceLock::new();
    let both = SIGNERS.get_or_init(|| {
        [1, 2].map(|operators| {
            let lines = Keys::shared().operators.iter().take(operators);
            let lines = lines
                .map(|(caller, key)| format!("{caller} {}\n", key.public()))
                .collect::<String>();
            let Ok(signers) = AllowedSigners::parse(&lines, "allowed_signers") else {
                panic!("the simulated allowed_signers are none")
            };
            Arc::new(signers)
        })
    });
    both[usize::from(second)].clone()
}
