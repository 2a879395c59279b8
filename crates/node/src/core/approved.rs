//! What may be run: made here alone, from a verified order that the policy allows. It can be handed
//! on, and not be made:
//!
//! ```
//! use marcato_agent::Call;
//! use marcato_core::ddl::Effect;
//! use marcato_node::core::{Approved, RunKey};
//! fn hand_on(_: RunKey, _: Call, _: Effect, approved: Approved) -> Approved {
//!     approved
//! }
//! ```
//!
//! ```compile_fail,E0451
//! use marcato_agent::Call;
//! use marcato_core::ddl::Effect;
//! use marcato_node::core::{Approved, RunKey};
//! use marcato_protocol::sshsig::PublicKey;
//! fn smuggle(key: RunKey, signer: PublicKey, call: Call, effect: Effect) -> Approved {
//!     Approved { key, signer, call, effect }
//! }
//! ```

use std::sync::Arc;

use marcato_agent::Call;
use marcato_agent::runner::Voice;
use marcato_core::ddl::{Action, Effect};
use marcato_core::{Facts, Span};
use marcato_protocol::Verified;
use marcato_protocol::order::Received;
use marcato_protocol::sshsig::PublicKey;
use serde_json::{Map, Value};

use super::policy::{Decision, Policy};
use super::run::RunKey;

/// An action that was ordered by someone who may.
#[derive(Debug, Clone)]
pub struct Approved {
    key: RunKey,
    signer: PublicKey,
    call: Call,
    effect: Effect,
}

impl Approved {
    /// Asks the policy about a verified order.
    ///
    /// # Errors
    /// Gives the policy's decision back where it does not allow it.
    pub(super) fn by<'a>(
        policy: &'a Policy,
        order: &Verified<Received>,
        action: &Action,
        inputs: Map<String, Value>,
        (limit, facts): (Span, Arc<Facts>),
    ) -> Result<Self, Decision<'a>> {
        let (signed, step) = (&order.order, &order.step);
        let decision = policy.decide(&signed.caller, &step.agent, &step.action, action.effect);
        if !decision.is_allowed() {
            return Err(decision);
        }
        let call = Call {
            order: signed.id,
            caller: signed.caller.clone(),
            collective: signed.collective.clone(),
            agent: step.agent.clone(),
            action: step.action.clone(),
            inputs,
            issued: signed.issued,
            limit,
            facts,
            voice: Voice::default(),
        };
        let key = RunKey { order: signed.id, step: order.step_index };
        Ok(Self { key, signer: order.signer().clone(), call, effect: action.effect })
    }

    /// The key that signed it.
    pub(super) const fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// What the policy says of it now, which may be another one.
    pub(super) fn asked_again<'a>(&self, policy: &'a Policy) -> Decision<'a> {
        let Call { caller, agent, action, .. } = &self.call;
        policy.decide(caller, agent, action, self.effect)
    }

    /// Which order and step it is.
    #[must_use]
    pub const fn key(&self) -> RunKey {
        self.key
    }

    /// What the agent is asked.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The same with facts that were measured just now.
    #[must_use]
    pub fn knowing(mut self, facts: Arc<Facts>) -> Self {
        self.call.facts = facts;
        self
    }

    /// What it is asked, without the way it came.
    #[must_use]
    pub fn into_call(self) -> Call {
        self.call
    }

    /// Whether it may change the host, and so has a process of its own.
    #[must_use]
    pub const fn changes(&self) -> bool {
        matches!(self.effect, Effect::Change)
    }
}
