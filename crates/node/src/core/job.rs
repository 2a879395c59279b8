//! The agent `job`, which the core answers itself: how far another order is here, and that it shall
//! not begin.
//!
//! Whoever signed an order may always ask for it and cancel it, by no rule: he could as well not have
//! signed it. Whatever others may is for the policy to say. A cancel does not wait behind what it
//! cancels, and stands in the journal before it is answered: what was cancelled never begins, also
//! where it comes only later, or to a later daemon.

use marcato_agent::job;
use marcato_core::ddl::Action;
use marcato_core::limits::node::{BARS_PER_CALLER_MAX, RECEIPT_CARRIED_BYTES_MAX};
use marcato_core::limits::timing::{SKEW, START_WINDOW_MAX};
use marcato_core::{CallerId, Changed, EndState, OrderId, Reason, Timestamp};
use marcato_protocol::order::Received;
use marcato_protocol::receipt::{Inner, Outer, SignedReceipt};
use serde_json::{Map, Value, json};

use super::answer::{Answer, End};
use super::intake::{Stop, denied, reject};
use super::journal::{About, JournalRecord};
use super::node::Node;
use super::runs::{Began, Pending, Step};

/// What is asked, by whoever may.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// The order that it is about.
    order: OrderId,
    /// Whether that shall not begin any more.
    cancel: bool,
    /// Whether the policy lets the caller ask for orders of others.
    others: bool,
}

/// How far an order is here.
#[derive(Debug)]
enum Place {
    /// It is not known.
    Unknown,
    /// It has not begun.
    Waiting(Timestamp),
    /// A step of it runs.
    Running(Timestamp),
    /// It has ended; how is known once that is written down.
    Ended(Option<Outer>),
}

impl Place {
    /// The outputs that say so.
    fn outputs(&self) -> Map<String, Value> {
        let outputs = match self {
            Self::Unknown => json!({ "state": "unknown" }),
            Self::Waiting(since) => json!({ "state": "waiting", "since": since }),
            Self::Running(since) => json!({ "state": "running", "since": since }),
            Self::Ended(None) => json!({ "state": "ended" }),
            Self::Ended(Some(outer)) => {
                let mut outputs = json!({
                    "state": "ended",
                    "end": outer.state,
                    "changed": outer.changed.to_string(),
                    "finished": outer.finished,
                });
                if let Some(reason) = outer.reason {
                    outputs["reason"] = json!(reason);
                }
                outputs
            }
        };
        match outputs {
            Value::Object(outputs) => outputs,
            _ => Map::new(),
        }
    }
}

/// The end of an order that somebody cancelled.
pub(super) fn cancelled_by(by: &CallerId) -> End {
    End::refused(EndState::Cancelled, Reason::Operator, &format!("{by} cancelled it"))
}

impl Node {
    /// Whether the caller may ask this.
    pub(super) fn judge_ask(
        &self,
        order: &Received,
        action: &Action,
        inputs: &Map<String, Value>,
    ) -> Result<Ask, Stop> {
        let (caller, step) = (&order.order.caller, &order.step);
        let target = inputs.get(job::ORDER).and_then(Value::as_str).unwrap_or_default();
        let target: OrderId =
            target.parse().map_err(|error| reject(Reason::Inputs, format!("{error}")))?;
        let decision = self.rules.policy.decide(caller, &step.agent, &step.action, action.effect);
        let others = decision.is_allowed();
        if !others && self.seen.steps(target).any(|known| known.about.caller != *caller) {
            return Err(denied(caller, (&step.agent, &step.action), decision));
        }
        let cancel = step.action.as_str() == job::CANCEL;
        let barred = self.bars.who(target, caller).is_some();
        if cancel && !barred && !self.bars.has_room(caller) {
            let text =
                format!("{BARS_PER_CALLER_MAX} orders that {caller} cancelled might still come");
            return Err(reject(Reason::Full, text));
        }
        Ok(Ask { order: target, cancel, others })
    }

    /// Answers what was asked of an order.
    pub(super) fn answer_ask(&mut self, ask: Ask, about: About, answer: Answer, now: Timestamp) {
        if ask.cancel {
            return self.cancel(ask, about, answer, now);
        }
        let place = self.place(ask.order);
        let mut data = place.outputs();
        if matches!(place, Place::Unknown) && self.bars.who(ask.order, &about.caller).is_some() {
            data.insert("state".to_owned(), json!("barred"));
        }
        // Sealed to this caller like what else the order says.
        if let Some(doing) = self.runs.said(ask.order, &about.caller) {
            data.insert("doing".to_owned(), json!(doing));
        }
        let receipt =
            self.seen.steps(ask.order).next_back().and_then(|known| known.receipt.as_ref());
        let receipt = receipt.filter(|receipt| receipt.weight() <= RECEIPT_CARRIED_BYTES_MAX);
        if let (Place::Ended(_), Some(receipt)) = (&place, receipt) {
            data.insert("receipt".to_owned(), json!(receipt));
        }
        self.finish((about, &answer), ok(None, data, ""), None, now);
    }

    /// Lets nothing of an order begin any more.
    fn cancel(&mut self, ask: Ask, about: About, answer: Answer, now: Timestamp) {
        let (order, by) = (ask.order, about.caller.clone());
        let place = self.place(order);
        let known = self.bars.who(order, &by).is_some();
        let waiting = self.runs.steps(order).filter(|(_, step)| matches!(step, Step::Waiting(_)));
        let waiting: Vec<_> = waiting.map(|(key, _)| key).collect();
        let mut data = place.outputs();
        let mut say = |state: &str| data.insert("state".to_owned(), json!(state));
        let end = match place {
            Place::Running(_) => still_running(data),
            Place::Ended(_) => ok(Some(Reason::Unchanged), data, "it had ended"),
            Place::Waiting(_) => {
                say("cancelled");
                ok(None, data, "it had not begun, and will not")
            }
            Place::Unknown => {
                say("barred");
                let reason = known.then_some(Reason::Unchanged);
                ok(reason, data, "it is not known here, and will not begin")
            }
        };
        // One that is not known may be issued by a clock that is ahead, and have any start-by.
        let start_by = self.seen.steps(order).map(|known| known.about.start_by).max();
        let until = start_by.unwrap_or(now + START_WINDOW_MAX) + SKEW + SKEW;
        self.bars.add(order, &by, ask.others, self.steady.of(until));
        let record = JournalRecord::Barred { order, by: by.clone(), others: ask.others, until };
        self.write(record, Pending::Barred(Box::new((about, answer, end))));
        // Behind it in the journal: were this the last thing that the daemon does, the next one
        // would come to the same end.
        for key in waiting {
            self.end_unbegun(key, cancelled_by(&by), now);
        }
    }

    /// It is written down that an order shall not begin.
    pub(super) fn cancelled(&mut self, (about, answer, end): (About, Answer, End), now: Timestamp) {
        self.finish((about, &answer), end, Some(Began(false)), now);
    }

    /// It could not be written down: this daemon keeps to it all the same, the next one knows
    /// nothing of it.
    pub(super) fn not_cancelled(
        &mut self,
        (about, answer, mut end): (About, Answer, End),
        fault: &str,
        now: Timestamp,
    ) {
        (end.state, end.reason) = (EndState::Failed, Some(Reason::Journal));
        end.changed = Changed::Unknown;
        end.inner.message = super::cut(&format!("{fault}; the next daemon may begin it"));
        self.finish((about, &answer), end, Some(Began(false)), now);
    }

    fn place(&self, order: OrderId) -> Place {
        let mut place = match self.seen.steps(order).next_back() {
            None => return Place::Unknown,
            Some(last) => Place::Ended(last.receipt.as_ref().and_then(SignedReceipt::outer)),
        };
        for (_, step) in self.runs.steps(order) {
            match step {
                Step::Running(since) => return Place::Running(since),
                Step::Waiting(since) => place = Place::Waiting(since),
            }
        }
        place
    }
}

fn ok(reason: Option<Reason>, data: Map<String, Value>, message: &str) -> End {
    let inner = Inner { data, message: message.to_owned(), truncated: false };
    End { state: EndState::Ok, reason, changed: Changed::False, inner }
}

fn still_running(data: Map<String, Value>) -> End {
    let message = "it runs and is not ended; nothing more of it begins".to_owned();
    let inner = Inner { data, message, truncated: false };
    let (state, reason) = (EndState::Failed, Some(Reason::StillRunning));
    End { state, reason, changed: Changed::False, inner }
}
