//! The agent `policy`, which the core answers itself: whether its asker may have an action run here.
//!
//! Everybody may ask for himself, by no rule: he could as well order it. Where he may not, he is told
//! what that order would be told.

use marcato_agent::{job, policy};
use marcato_core::{ActionName, AgentName, Changed, EndState, Reason};
use marcato_protocol::order::Received;
use marcato_protocol::receipt::Inner;
use serde_json::{Map, Value};

use super::answer::End;
use super::intake::{Stop, denied, reject};
use super::node::Node;
use super::policy::Decision;

impl Node {
    /// By which rule the caller may, in words.
    pub(super) fn can(&self, order: &Received, inputs: &Map<String, Value>) -> Result<End, Stop> {
        let input = |name: &str| inputs.get(name).and_then(Value::as_str).unwrap_or_default();
        let wrong = |error| reject(Reason::Inputs, format!("{error}"));
        let agent: AgentName = input(policy::AGENT).parse().map_err(wrong)?;
        let action: ActionName = input(policy::ACTION).parse().map_err(wrong)?;
        let declared = self.declared(&agent, &action)?;
        if declared.changes() && self.rules.read_only {
            return Err(reject(Reason::ReadOnly, "this node takes no changes"));
        }
        let caller = &order.order.caller;
        let decision = match self.rules.policy.decide(caller, &agent, &action, declared.effect) {
            Decision::Allow(place) => format!("allow, by rule {} of {place}", place.number),
            _ if agent.as_str() == policy::NAME => "allow, by no rule: all may ask".to_owned(),
            _ if agent.as_str() == job::NAME => "allow for own orders, by no rule".to_owned(),
            decision => return Err(denied(caller, (&agent, &action), decision)),
        };
        let data = Map::from_iter([("decision".to_owned(), decision.into())]);
        let inner = Inner { data, message: String::new(), truncated: false };
        Ok(End { state: EndState::Ok, reason: None, changed: Changed::False, inner })
    }
}
