//! Messages of a version whose form is not known here are told by that version.

use marcato_protocol::message::{Headers, Kind, Message, SIGNATURE};
use marcato_protocol::order::{OrderError, Received};
use marcato_protocol::registration::{Heartbeat, Registration, RegistrationError};
use marcato_protocol::sshsig::Namespace;

use crate::world::{self, authority, changed, node_key, replace};
use crate::{order, sent};

#[test]
fn an_order() {
    let read = |from: &str, to: &str| {
        let message = changed(&sent(&order()), |_, body| replace(body, from, to));
        Received::parse(&message)
    };
    let (known, later) = (Received::parse(&sent(&order())).unwrap(), "{\"v\":2,\"later\":1,");
    let Err(OrderError::Version(foreign)) = read("{\"v\":1,", later) else { panic!() };
    let (head, known) = (foreign.head, known.head());
    assert_eq!((head.v, head.id, &head.caller), (2, known.id, &known.caller));
    assert_eq!((head.start_by, head.step_index), (known.start_by, 0));
    assert_ne!(head.order_digest, known.order_digest);
    // A form that is not this release's own version's is no form of it.
    let malformed = read("{\"v\":1,", "{\"v\":1,\"later\":1,");
    assert!(matches!(malformed, Err(OrderError::Malformed(_))), "{malformed:?}");
}

#[test]
fn a_registration_and_a_heartbeat() {
    let message = |kind: Kind, v: u32| {
        let body = format!("{{\"v\":{v},\"later\":1}}").into_bytes();
        let signature = node_key().sign(Namespace::Registration, &body).to_base64();
        let headers = Headers::of(kind).with(SIGNATURE, signature);
        Message { subject: world::NODE.into(), reply: None, headers, body }
    };
    for v in [0, 1, 2] {
        let registration = message(Kind::Registration, v);
        let registration =
            Registration::verify(&registration, authority().public(), &world::fleet()).unwrap_err();
        let heartbeat = Heartbeat::parse(&message(Kind::Heartbeat, v)).unwrap_err();
        for error in [registration, heartbeat] {
            match (v, error) {
                (1, RegistrationError::Malformed(_)) => {}
                (0 | 2, RegistrationError::Version(named)) => assert_eq!(named, v),
                (_, error) => panic!("{v}: {error:?}"),
            }
        }
    }
}
