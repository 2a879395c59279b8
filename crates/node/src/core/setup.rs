//! What a node's core is told before its first event, and again when its files change.

use std::collections::BTreeMap;
use std::sync::Arc;

use marcato_agent::Outcome;
use marcato_core::ddl::Ddl;
use marcato_core::{AgentName, Collective, Facts, Identity, Timestamp};
use marcato_protocol::allowed_signers::AllowedSigners;
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::version::Spoken;

use super::journal::JournalRecord;
use super::policy::Policy;
use super::run::RunKey;

/// What a node's core starts with.
#[derive(Debug)]
pub struct Setup {
    /// From what all randomness of this core comes; never the same twice.
    pub seed: [u8; 32],
    /// The node's name.
    pub identity: Identity,
    /// The fleet.
    pub collective: Collective,
    /// The versions of the protocol that the node speaks.
    pub spoken: Spoken,
    /// The key that signs receipts.
    pub key: Arc<NodeSignKey>,
    /// The node's certificate in its text form.
    pub certificate: Arc<str>,
    /// What may change while it runs.
    pub rules: Rules,
    /// When this daemon started: earlier reads are refused.
    pub started: Timestamp,
    /// The highest time that was verified before, as [`super::Effect::KeepClock`] kept it.
    pub clock_high: Timestamp,
    /// What the journal holds, oldest first.
    pub journal: Vec<JournalRecord>,
    /// How the changes stand that the journal names and of which it has no end. One that is
    /// missing here was never started.
    pub runs: Vec<(RunKey, Recovered)>,
}

/// What decides over orders, and what the node says of itself.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who may sign orders.
    pub signers: Arc<AllowedSigners>,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// What the node's agents declare.
    pub agents: BTreeMap<AgentName, Arc<Ddl>>,
    /// The facts for filters, agents and the registration: all but volatile and private ones.
    pub facts: Arc<Facts>,
    /// The node's classes.
    pub classes: Vec<String>,
    /// What is wrong with the node, in words.
    pub health: Vec<String>,
    /// Whether it takes no changes.
    pub read_only: bool,
}

/// How a change stands that was accepted before the daemon's start and has no end in the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovered {
    /// Nothing was started, and nothing of it is on the disk.
    NeverStarted,
    /// Its process lives; [`super::Event::Ended`] or [`super::Event::Gone`] will tell of its end.
    Running,
    /// It ended and left its outcome.
    Finished(Outcome),
    /// It was or may have been started; neither a process nor an outcome is left.
    Gone,
}
