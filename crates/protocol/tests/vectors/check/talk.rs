//! Certificates, registrations, heartbeats, questions and answers.

use marcato_core::Collective;
use marcato_protocol::certificate::{Certificate, CertificateError, SignedText};
use marcato_protocol::question::{Answer, Question};
use marcato_protocol::registration::{Heartbeat, Registration};
use serde_json::{Value, json};

use super::{list, message, parse, public_key, text};
use crate::read;

#[test]
fn certificates() {
    let file = read("certificates.json");
    let (authority, fleet) =
        (public_key(&file, "authority"), parse::<Collective>(&file, "collective"));
    let read = |case: &Value| -> Result<Certificate, CertificateError> {
        let signed = SignedText::parse(text(case, "text"))?;
        match text(case, "kind") {
            "request" => Ok(signed.verify_request()?.wanted().clone()),
            _ => Ok(Certificate::clone(&*signed.verify(&authority, &fleet)?)),
        }
    };
    for case in list(&file, "accepted") {
        assert_eq!(json!(read(case).unwrap()), case["body"]);
    }
    for case in list(&file, "refused") {
        assert!(read(case).is_err(), "{case}");
    }
}

#[test]
fn registrations() {
    let file = read("registrations.json");
    let authority = public_key(&file, "authority");
    let fleet: Collective = parse(&file, "collective");
    let registered = |case: &Value| Registration::verify(&message(case), &authority, &fleet);
    let beat = |case: &Value| {
        Heartbeat::parse(&message(case)).and_then(|beat| beat.verify(&public_key(&file, "key")))
    };
    for case in list(&file, "accepted") {
        if text(case, "kind") == "registration" {
            let registered = registered(case).unwrap();
            assert_eq!(registered.digest, parse(case, "digest"));
            assert_eq!(registered.registration.node, parse(&file, "node"));
        } else {
            let beat = beat(case).unwrap();
            assert_eq!(beat.registration, parse(case, "registration"));
            assert_eq!(Some(beat.leaving), case["leaving"].as_bool());
        }
    }
    for case in list(&file, "refused") {
        let taken = match text(case, "kind") {
            "registration" => registered(case).is_ok(),
            _ => beat(case).is_ok(),
        };
        assert!(!taken, "{case}");
    }
}

#[test]
fn questions() {
    let file = read("questions.json");
    for case in list(&file, "accepted") {
        let message = message(case);
        // What was read is written again byte for byte.
        let (id, again) = if text(case, "kind") == "question" {
            let question = Question::parse(&message).unwrap();
            (question.id, question.message(message.subject.clone(), String::new()))
        } else {
            let answer = Answer::parse(&message).unwrap();
            (answer.id, answer.message(message.subject.clone()))
        };
        assert_eq!(id, parse(&file, "id"));
        assert_eq!((&again.headers, &again.body), (&message.headers, &message.body));
    }
    for case in list(&file, "refused") {
        let message = message(case);
        let taken = match text(case, "kind") {
            "question" => Question::parse(&message).is_ok(),
            _ => Answer::parse(&message).is_ok(),
        };
        assert!(!taken, "{case}");
    }
}
