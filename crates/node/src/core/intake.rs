//! An order's way in: known already? verified? for this node? allowed? Each step can end it.

use marcato_agent::{job, policy};
use marcato_core::ddl::Action;
use marcato_core::facts::is_volatile;
use marcato_core::limits::timing::SKEW;
use marcato_core::{ActionName, AgentName, CallerId, Changed, EndState, Reason, Terms, Timestamp};
use marcato_filter::{Filter, FilterError, Host};
use marcato_protocol::Verified;
use marcato_protocol::head::{Foreign, Head};
use marcato_protocol::message::Message;
use marcato_protocol::order::{Audience, OrderError, Received};
use marcato_protocol::verify::{OrderRules, Refused, check_signer, is_signed, verify_order};
use marcato_protocol::version::Spoken;

use super::answer::{Answer, End};
use super::approved::Approved;
use super::effect::{Effect, Level, What};
use super::job::Ask;
use super::journal::About;
use super::node::Node;
use super::policy::{Decision, rule_that_allows};
use super::run::RunKey;
use super::runs::{Began, Source};

/// Where a verified order's way ends, if not in a run.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is not meant for this node, which says nothing.
    Silent,
    /// Whether it is depends on facts that must be measured first; then it comes again.
    Measure,
    /// It is refused.
    Refused(EndState, Reason, String),
}

pub(super) fn reject(reason: Reason, text: impl Into<String>) -> Stop {
    Stop::Refused(EndState::Rejected, reason, text.into())
}

/// Refused by the policy.
pub(super) fn denied(
    caller: &CallerId,
    (agent, action): (&AgentName, &ActionName),
    decision: Decision<'_>,
) -> Stop {
    let rule = rule_that_allows(caller, agent, action);
    let text = format!("{decision}; this would allow it: {rule}");
    Stop::Refused(EndState::Denied, Reason::Policy, text)
}

/// What a verified order is allowed to do.
enum Judged {
    /// To run.
    Run(Approved),
    /// To ask the node about another order.
    Ask(Ask),
    /// To be told what the node knows of itself.
    Told(End),
}

pub(super) fn key_of(order: &Received) -> RunKey {
    RunKey { order: order.order.id, step: order.step_index }
}

impl Node {
    /// An order came in.
    pub(super) fn on_order(&mut self, message: &Message, now: Timestamp) {
        let received = match Received::parse(message) {
            Ok(received) => received,
            Err(OrderError::Version(foreign)) => {
                return self.refuse_foreign(&foreign, message, now);
            }
            // Nobody is named in it who could be answered.
            Err(error) => {
                if self.refusals.may(now, self.steady) {
                    let reason = match error {
                        OrderError::TooLarge { .. } => Reason::TooLarge,
                        _ => Reason::Malformed,
                    };
                    self.log(Level::Warn, What::Refused, None, Some(reason), error.to_string());
                }
                return;
            }
        };
        if self.is_copy(&received, now) {
            return;
        }
        match self.verify(received, now) {
            Ok(order) => self.on_verified(&order, Source::Network(message), now),
            Err(refused) => self.refuse_unverified(&refused, now),
        }
    }

    pub(super) fn verify(
        &self,
        received: Received,
        now: Timestamp,
    ) -> Result<Verified<Received>, Refused> {
        verify_order(received, &self.order_rules(), now)
    }

    fn order_rules(&self) -> OrderRules<'_> {
        OrderRules {
            spoken: self.spoken,
            collective: &self.collective,
            identity: &self.identity,
            key: self.key.public(),
            signers: &self.rules.signers,
        }
    }

    /// Whether the same bytes came before; if so, they are answered as they were. This comes
    /// before all checks: time has gone on, and a copy must not end otherwise than the first.
    fn is_copy(&mut self, received: &Received, now: Timestamp) -> bool {
        let key = key_of(received);
        let same = |about: &About| {
            about.order_digest == received.order_digest && about.step_digest == received.step_digest
        };
        if self.seen.get(key).is_some_and(|known| same(&known.about)) {
            if self.connected && self.copies.take(now) {
                match self.progress(key, now) {
                    Some(progress) => self.effect(Effect::Publish(progress)),
                    None => self.publish_receipt(key),
                }
            }
            return true;
        }
        self.is_refused_copy(&received.head(), now)
    }

    fn is_refused_copy(&mut self, order: &Head, now: Timestamp) -> bool {
        let Some(receipt) = self.refusals.get(order) else { return false };
        let subject = self.subjects.reply(&order.caller, order.id, &self.identity);
        let certificate = order.certificates.then(|| self.certificate.to_string());
        let message = receipt.message(subject, certificate);
        if self.copies.take(now) {
            self.effect(Effect::Publish(message));
        }
        true
    }

    /// Answers an order that did not verify, if the limit allows it; without an inner part.
    pub(super) fn refuse_unverified(&mut self, refused: &Refused, now: Timestamp) {
        if !self.refusals.may(now, self.steady) {
            return;
        }
        let received = &refused.received;
        if received.step.audience == Audience::Matching {
            let terms = &received.step.filter;
            let asks = Filter::is_plain(terms) || is_signed(received, &self.order_rules(), now);
            // What strangers' patterns mean is not found out: to compile them is work for nothing.
            if !asks || self.matches(terms).is_ok_and(|matches| !matches) {
                return;
            }
        }
        let mut end = End::rejected(refused.reason, "");
        if self.may_have_changed(received) {
            end.changed = Changed::Unknown;
        }
        self.refuse(&received.head(), end, refused.text.clone(), now);
    }

    /// Answers an order of a version whose form this release cannot read, likewise. Whom such an
    /// order means can be told where it came to this node alone, or where that has today's form.
    fn refuse_foreign(&mut self, foreign: &Foreign, message: &Message, now: Timestamp) {
        if self.is_refused_copy(&foreign.head, now) || !self.refusals.may(now, self.steady) {
            return;
        }
        let is_own = message.subject == self.subjects.node(&self.identity);
        let filter = foreign.filter.as_ref();
        let means_us = |terms| Filter::is_plain(terms) && self.matches(terms) == Ok(true);
        if is_own || filter.is_some_and(means_us) {
            let Spoken { oldest, newest } = self.spoken;
            let v = foreign.head.v;
            let text = format!("the order has version {v}; this node speaks {oldest} to {newest}");
            self.refuse(&foreign.head, End::rejected(Reason::Version, ""), text, now);
        }
    }

    fn refuse(&mut self, order: &Head, end: End, text: String, now: Timestamp) {
        let reason = end.reason;
        let answer = Answer::without_inner(order, &self.identity, now);
        let receipt = answer.receipt(end, now, &self.key, &mut self.random);
        let subject = self.subjects.reply(&order.caller, order.id, &self.identity);
        let certificate = order.certificates.then(|| self.certificate.to_string());
        self.effect(Effect::Publish(receipt.message(subject, certificate)));
        let about = Some((order.id, &order.caller));
        self.log(Level::Warn, What::Refused, about, reason, text);
        self.refusals.keep(order, receipt, self.steady);
    }

    /// Whether the order is a change that may have run before the journal was damaged: the record of
    /// it may be what was lost.
    fn may_have_changed(&self, received: &Received) -> bool {
        let change = self.action_of(received).is_none_or(Action::changes);
        self.damaged.is_some_and(|at| change && received.order.issued <= at + SKEW)
    }

    fn action_of(&self, order: &Received) -> Option<&Action> {
        self.rules.agents.get(&order.step.agent)?.actions.get(&order.step.action)
    }

    /// A verified order: from here on its signer gets an answer that he alone can read.
    pub(super) fn on_verified(
        &mut self,
        order: &Verified<Received>,
        source: Source<'_>,
        now: Timestamp,
    ) {
        let signed = &order.order;
        if self.seen.get(key_of(order)).is_some() {
            // Its id is taken by other bytes. As with whatever cannot be remembered by its id, the
            // refusal is kept by the bytes.
            let text = "another order of this id was here before".to_owned();
            let received = Box::new(Received::clone(order));
            let refused = Refused { received, reason: Reason::Malformed, text };
            return self.refuse_unverified(&refused, now);
        }
        let judged = match self.check_clock(signed.issued, now) {
            Err(text) => Err(reject(Reason::Clock, text)),
            Ok(()) => self.judge(order, source),
        };
        match (&judged, source) {
            (Err(Stop::Silent), _) => return,
            (Err(Stop::Measure), Source::Network(message)) => {
                return self.effect(Effect::Measure(message.clone()));
            }
            _ => {}
        }
        let (about, change) = self.about(order, source, now);
        let answer = Answer::to(order, &self.identity, about.received);
        if source.is_network() && !self.seen.room(&signed.caller, signed.issued, self.steady) {
            let text = "this node remembers as many orders of this caller as it may";
            return self.refuse_unremembered(&answer, Reason::Full, text, now);
        }
        let verdict = judged.and_then(|judged| {
            if let Judged::Run(_) = &judged {
                if change {
                    self.check_superseded(&about)?;
                }
                self.runs.check_room(&about.agent, change)?;
            }
            Ok(judged)
        });
        self.seen.remember(about.clone(), answer.certificate, verdict.is_ok(), self.steady);
        match verdict {
            Ok(Judged::Run(approved)) if change => {
                self.accept_change(approved, about, answer, source, now);
            }
            Ok(Judged::Run(approved)) => self.accept_read(approved, about, answer, now),
            Ok(Judged::Ask(ask)) => self.answer_ask(ask, about, answer, now),
            Ok(Judged::Told(end)) => self.finish((about, &answer), end, None, now),
            Err(Stop::Silent | Stop::Measure) => {}
            Err(Stop::Refused(state, reason, text)) => {
                let journalled = change && order.step.audience != Audience::Matching;
                let mut end = End::refused(state, reason, &text);
                if reason == Reason::Journal {
                    // Only a damaged journal ends here, and then it may have run before.
                    end.changed = Changed::Unknown;
                }
                self.finish((about, &answer), end, journalled.then_some(Began(false)), now);
            }
        }
    }

    /// Whether this node shall do it, and its owner allows it.
    fn judge(&self, order: &Verified<Received>, source: Source<'_>) -> Result<Judged, Stop> {
        let (signed, step) = (&order.order, &order.step);
        let matching = step.audience == Audience::Matching;
        // What an order of several steps changes must not decide over its later steps.
        let filtered = source.is_network() && !self.seen.took(signed.id);
        let matches = !filtered || self.is_meant(&step.filter)?;
        if matching && !matches {
            return Err(Stop::Silent);
        }
        if let Some(by) = self.bars.who(signed.id, &signed.caller) {
            let text = format!("{by} cancelled it");
            return Err(Stop::Refused(EndState::Cancelled, Reason::Operator, text));
        }
        let action = self.declared(&step.agent, &step.action)?;
        let change = action.changes();
        if matching && change {
            let text =
                format!("{} {} may change hosts: it needs a chosen set", step.agent, step.action);
            return Err(reject(Reason::Audience, text));
        }
        // A cancel changes no host, and what it is about may wait here since the node did.
        if change && step.agent.as_str() != job::NAME {
            self.check_writable()?;
        }
        if let Some(damaged) = self.damaged.filter(|at| change && signed.issued <= *at + SKEW) {
            let text = format!(
                "this node's journal was found damaged at {damaged}, and the order may have been issued before: it may have run"
            );
            return Err(reject(Reason::Journal, text));
        }
        if !matches {
            return Err(reject(Reason::NotMatching, "the filter does not match this node"));
        }
        if !change && signed.issued < self.started {
            let text = format!(
                "issued at {}, before this node's start at {}",
                signed.issued, self.started
            );
            return Err(reject(Reason::Restarted, text));
        }
        let inputs = action
            .check_inputs(&step.inputs)
            .map_err(|error| reject(Reason::Inputs, error.to_string()))?;
        match step.agent.as_str() {
            job::NAME => return self.judge_ask(order, action, &inputs).map(Judged::Ask),
            policy::NAME => return self.can(order, &inputs).map(Judged::Told),
            _ => {}
        }
        let facts = self.measured.as_ref().unwrap_or(&self.rules.facts);
        let with = (signed.run_limit_ms, facts.clone());
        let approved = Approved::by(&self.rules.policy, order, action, inputs, with);
        approved
            .map(Judged::Run)
            .map_err(|decision| denied(&signed.caller, (&step.agent, &step.action), decision))
    }

    /// What this node's agents declare of an action.
    pub(super) fn declared(&self, agent: &AgentName, action: &ActionName) -> Result<&Action, Stop> {
        let unknown = || reject(Reason::UnknownAgent, format!("this node has no agent {agent}"));
        let ddl = self.rules.agents.get(agent).ok_or_else(unknown)?;
        ddl.actions.get(action).ok_or_else(|| {
            let text = format!("{agent} {} has no action {action}", ddl.metadata.version);
            reject(Reason::UnknownAction, text)
        })
    }

    /// Whether a verified order's filter means this node, by facts as they are now.
    fn is_meant(&self, terms: &Terms) -> Result<bool, Stop> {
        let malformed = |error: FilterError| reject(Reason::Malformed, error.to_string());
        let filter = Filter::parse(terms).map_err(malformed)?;
        if self.measured.is_none() && filter.fact_names().any(is_volatile) {
            return Err(Stop::Measure);
        }
        Ok(self.fits(&filter))
    }

    fn matches(&self, terms: &Terms) -> Result<bool, FilterError> {
        Filter::parse(terms).map(|filter| self.fits(&filter))
    }

    fn fits(&self, filter: &Filter) -> bool {
        if filter.terms().is_empty() {
            return true;
        }
        let agents: Vec<AgentName> = self.rules.agents.keys().cloned().collect();
        filter.matches(&Host {
            identity: &self.identity,
            facts: self.measured.as_ref().unwrap_or(&self.rules.facts),
            classes: &self.rules.classes,
            agents: &agents,
        })
    }

    /// What the journal says of the order, and whether it may change something: an action that is
    /// not known may.
    fn about(&self, order: &Received, source: Source<'_>, now: Timestamp) -> (About, bool) {
        let (signed, step) = (&order.order, &order.step);
        let action = self.action_of(order);
        let change = action.is_none_or(Action::changes);
        if let Source::Journal(about) = source {
            return (about.clone(), true);
        }
        let item = action.filter(|_| change).and_then(|action| action.item_of(&step.inputs));
        let about = About {
            key: key_of(order),
            order_digest: order.order_digest,
            step_digest: order.step_digest,
            caller: signed.caller.clone(),
            agent: step.agent.clone(),
            item,
            issued: signed.issued,
            start_by: signed.start_by,
            received: now,
        };
        (about, change)
    }

    fn check_writable(&self) -> Result<(), Stop> {
        if self.rules.read_only {
            return Err(reject(Reason::ReadOnly, "this node takes no changes"));
        }
        Ok(())
    }

    /// Whether what was approved may begin now: while it waited the node may have been told
    /// otherwise, and other changes may have begun.
    pub(super) fn check_again(
        &self,
        about: &About,
        approved: &Approved,
        now: Timestamp,
    ) -> Result<(), Stop> {
        check_signer(&self.rules.signers, &about.caller, approved.signer(), now)
            .map_err(|(reason, text)| reject(reason, text))?;
        let decision = approved.asked_again(&self.rules.policy);
        if !decision.is_allowed() {
            let call = approved.call();
            return Err(denied(&about.caller, (&call.agent, &call.action), decision));
        }
        if approved.changes() {
            self.check_writable()?;
            self.check_superseded(about)?;
        }
        Ok(())
    }

    /// Whether a change of the same item that was issued later has begun already.
    fn check_superseded(&self, about: &About) -> Result<(), Stop> {
        let Some((issued, order)) = self.last_changes.supersedes(about) else { return Ok(()) };
        let item = about.item.as_deref().map(|item| format!(" {item}")).unwrap_or_default();
        let text = format!(
            "issued at {}; order {order} of {issued} has changed {}{item} since",
            about.issued, about.agent
        );
        Err(reject(Reason::Superseded, text))
    }

    /// Answers a verified order for which there is no room.
    fn refuse_unremembered(&mut self, answer: &Answer, reason: Reason, text: &str, now: Timestamp) {
        if !self.refusals.may(now, self.steady) {
            return;
        }
        let RunKey { order, .. } = answer.key();
        let end = End::rejected(reason, text);
        let receipt = answer.receipt(end, now, &self.key, &mut self.random);
        let subject = self.subjects.reply(&answer.caller, order, &self.identity);
        let certificate = answer.certificate.then(|| self.certificate.to_string());
        self.effect(Effect::Publish(receipt.message(subject, certificate)));
        let about = Some((order, &answer.caller));
        self.log(Level::Warn, What::Refused, about, Some(reason), text.to_owned());
    }
}
