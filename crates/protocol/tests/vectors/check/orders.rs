//! Orders.

use marcato_core::Reason;
use marcato_protocol::Verified;
use marcato_protocol::allowed_signers::AllowedSigners;
use marcato_protocol::order::{OrderError, Received};
use marcato_protocol::verify::{OrderRules, verify_order};
use serde_json::Value;

use super::{list, message, parse, public_key, text};
use crate::read;

/// What the node of the file makes of a case.
fn judged(file: &Value, case: &Value) -> Result<Verified<Received>, Reason> {
    let node = &file["node"];
    let rules = OrderRules {
        spoken: serde_json::from_value(node["spoken"].clone()).unwrap(),
        collective: &parse(node, "collective"),
        identity: &parse(node, "identity"),
        key: &public_key(node, "key"),
        signers: &AllowedSigners::parse(text(file, "allowed_signers"), "vectors").unwrap(),
    };
    let received = Received::parse(&message(case)).map_err(|error| match error {
        OrderError::TooLarge { .. } => Reason::TooLarge,
        OrderError::Malformed(_) => Reason::Malformed,
        OrderError::Version(_) => Reason::Version,
    })?;
    verify_order(received, &rules, parse(case, "now")).map_err(|refused| refused.reason)
}

#[test]
fn accepted() {
    let file = read("orders.json");
    for case in list(&file, "accepted") {
        let got = judged(&file, case).unwrap_or_else(|reason| panic!("{reason}: {case}"));
        assert_eq!(got.order.id, parse(case, "order"));
        assert_eq!(got.order_digest, parse(case, "order_digest"));
        assert_eq!(
            (Some(got.step_index), got.step_digest),
            (case["step"].as_u64(), parse(case, "step_digest"))
        );
        assert_eq!(got.order.caller, parse(case, "caller"));
        assert_eq!(
            (&got.step.agent, &got.step.action),
            (&parse(case, "agent"), &parse(case, "action"))
        );
    }
}

#[test]
fn refused() {
    let file = read("orders.json");
    for case in list(&file, "refused") {
        let got = judged(&file, case).map(|_| ());
        assert_eq!(got, Err(parse(case, "reason")), "{}", text(case, "name"));
    }
}

#[test]
fn every_reason_that_needs_no_agent_occurs() {
    let file = read("orders.json");
    let named: Vec<Reason> =
        list(&file, "refused").iter().map(|case| parse(case, "reason")).collect();
    for reason in [
        Reason::TooLarge,
        Reason::Malformed,
        Reason::Version,
        Reason::Collective,
        Reason::Clock,
        Reason::Expired,
        Reason::OutsideSet,
        Reason::UnknownCaller,
        Reason::KeyNotAllowed,
        Reason::Signature,
    ] {
        assert!(named.contains(&reason), "{reason}");
    }
}
