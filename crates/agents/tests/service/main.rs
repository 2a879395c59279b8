//! The agent `service` through its contract: over the lab's simulated host, and over a service
//! manager that answers from a script.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;
mod script;

use std::sync::Arc;

use marcato_agent::runner::Voice;
use marcato_agent::{ActionResult, Call};
use marcato_core::{Changed, Facts, OrderId, Reason, Span, Timestamp};
use serde_json::Value;

fn call(action: &str, inputs: Value) -> Call {
    Call {
        order: OrderId::from_bytes([7; 16]),
        caller: "ops@example.com".parse().unwrap(),
        collective: "lab".parse().unwrap(),
        agent: "service".parse().unwrap(),
        action: action.parse().unwrap(),
        inputs: inputs.as_object().unwrap().clone(),
        issued: Timestamp::from_ms(0),
        limit: Span::from_secs(60),
        facts: Arc::new(Facts::new()),
        voice: Voice::default(),
    }
}

const UNCHANGED: (ActionResult, Option<Reason>, Changed) =
    (ActionResult::Ok, Some(Reason::Unchanged), Changed::False);
const CHANGED: (ActionResult, Option<Reason>, Changed) = (ActionResult::Ok, None, Changed::True);
