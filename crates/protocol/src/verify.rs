//! The only way from a received order to a verified one.
//!
//! Cheap checks come first (version, fleet, times, place in the set, key known), then the signature.
//! Whether the order is one that the node has seen, and whether policy allows it, is decided after.

use marcato_core::limits::timing::{RUN_LIMIT_MAX, SKEW, START_WINDOW_MAX};
use marcato_core::{CallerId, Collective, Identity, Reason, Timestamp};

use crate::Verified;
use crate::allowed_signers::{AllowedSigners, SignerError};
use crate::merkle;
use crate::order::{Audience, Received};
use crate::sshsig::{Namespace, PublicKey};
use crate::version::Spoken;

/// What a node holds an order against.
#[derive(Debug, Clone, Copy)]
pub struct OrderRules<'a> {
    /// The versions that the node speaks.
    pub spoken: Spoken,
    /// The node's fleet.
    pub collective: &'a Collective,
    /// The node's name.
    pub identity: &'a Identity,
    /// The node's sign key.
    pub key: &'a PublicKey,
    /// Who may sign orders.
    pub signers: &'a AllowedSigners,
}

/// An order that was not verified, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The order, to answer its sender. Not to be trusted.
    pub received: Box<Received>,
    /// The reason's code.
    pub reason: Reason,
    /// The reason in words, with what was found.
    pub text: String,
}

/// Checks a received order; only this makes a `Verified<Received>`.
///
/// # Errors
/// Gives the order back with the reason of the refusal.
pub fn verify_order(
    received: Received,
    rules: &OrderRules<'_>,
    now: Timestamp,
) -> Result<Verified<Received>, Refused> {
    match check(&received, rules, now) {
        Ok(()) => Ok(Verified::assertion(received)),
        Err((reason, text)) => Err(Refused { received: Box::new(received), reason, text }),
    }
}

fn check(
    received: &Received,
    rules: &OrderRules<'_>,
    now: Timestamp,
) -> Result<(), (Reason, String)> {
    let order = &received.order;
    if !rules.spoken.speaks(order.v) {
        let Spoken { oldest, newest } = rules.spoken;
        let text =
            format!("the order has version {}; this node speaks {oldest} to {newest}", order.v);
        return Err((Reason::Version, text));
    }
    if order.collective != *rules.collective {
        let text =
            format!("the order is for {}, this node is of {}", order.collective, rules.collective);
        return Err((Reason::Collective, text));
    }
    check_times(received, now)?;
    check_place(received, rules)?;
    check_signature(received, rules, now)
}

/// Whether somebody signed it who may sign orders now. No more: it may be too late, for another
/// node, or of a version that nobody speaks.
#[must_use]
pub fn is_signed(received: &Received, rules: &OrderRules<'_>, now: Timestamp) -> bool {
    check_signature(received, rules, now).is_ok()
}

fn check_signature(
    received: &Received,
    rules: &OrderRules<'_>,
    now: Timestamp,
) -> Result<(), (Reason, String)> {
    let key = received.signer();
    check_signer(rules.signers, &received.order.caller, key, now)?;
    received
        .signature
        .verify(key, Namespace::Order, &received.signed)
        .map_err(|error| (Reason::Signature, error.to_string()))
}

/// Whether this key may sign orders for this caller now.
///
/// # Errors
/// The reason why not, and its text.
pub fn check_signer(
    signers: &AllowedSigners,
    caller: &CallerId,
    key: &PublicKey,
    now: Timestamp,
) -> Result<(), (Reason, String)> {
    let found = signers.find(caller.as_str(), key, Namespace::Order.as_str(), now.as_ms());
    found.map(drop).map_err(|error| {
        let reason = match error {
            SignerError::UnknownPrincipal { .. } => Reason::UnknownCaller,
            _ => Reason::KeyNotAllowed,
        };
        (reason, error.to_string())
    })
}

fn check_times(received: &Received, now: Timestamp) -> Result<(), (Reason, String)> {
    let order = &received.order;
    if order.start_by.since(order.issued) > START_WINDOW_MAX || order.run_limit_ms > RUN_LIMIT_MAX {
        return Err((
            Reason::Malformed,
            "the order asks for more time than the protocol allows".into(),
        ));
    }
    if order.issued > now + SKEW {
        let text = format!("issued at {}, this node's clock reads {now}", order.issued);
        return Err((Reason::Clock, text));
    }
    if now > order.start_by + SKEW {
        let text = format!("might start until {}, this node's clock reads {now}", order.start_by);
        return Err((Reason::Expired, text));
    }
    Ok(())
}

/// Whether the step is one of the order's, and this node one of the step's.
fn check_place(received: &Received, rules: &OrderRules<'_>) -> Result<(), (Reason, String)> {
    let order = &received.order;
    if let (Some(steps), Some((leaf, proof))) = (order.steps, &received.step_place)
        && !merkle::verify(&steps.root, steps.count, *leaf, proof)
    {
        return Err((Reason::Malformed, "the step is not one of the order's".into()));
    }
    let Audience::Set(set) = received.step.audience else { return Ok(()) };
    let leaf = merkle::leaf(order.id.as_bytes(), rules.identity.as_str(), rules.key);
    match &received.proof {
        Some(proof) if merkle::verify(&set.root, set.count, leaf, proof) => Ok(()),
        Some(_) => {
            Err((Reason::OutsideSet, "this node, with its key, is not in the signed set".into()))
        }
        None => Err((Reason::OutsideSet, "the order carries no proof for this node".into())),
    }
}
