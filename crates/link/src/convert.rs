//! From our messages to the client's and back.

use std::error::Error as _;

use async_nats::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use marcato_protocol::message::{Headers, Message};

use crate::Event;

/// Our headers as the client's; none where there are none.
pub(crate) fn headers(ours: &Headers) -> Result<Option<HeaderMap>, String> {
    let mut theirs = HeaderMap::new();
    for (name, value) in ours.iter() {
        let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is no header's name"))?;
        let value: HeaderValue =
            value.parse().map_err(|_| format!("the value of {name} has a line break"))?;
        theirs.append(name, value);
    }
    Ok((!theirs.is_empty()).then_some(theirs))
}

/// A message of the client's as an event of ours.
pub(crate) fn message(theirs: async_nats::Message) -> Event {
    let subject = theirs.subject.into_string();
    if theirs.status == Some(StatusCode::NO_RESPONDERS) {
        return Event::NoResponders { subject };
    }
    let pairs = theirs.headers.iter().flat_map(HeaderMap::iter).flat_map(|(name, values)| {
        values.iter().map(|value| (name.to_string(), value.to_string()))
    });
    let headers: Headers = pairs.collect();
    let reply = theirs.reply.map(async_nats::Subject::into_string);
    Event::Message(Message { subject, reply, headers, body: theirs.payload.into() })
}

/// What the connection tells, where it concerns us.
pub(crate) fn event(theirs: &async_nats::Event) -> Option<Event> {
    use async_nats::Event as Theirs;
    match theirs {
        Theirs::Connected => Some(Event::Connected),
        Theirs::Disconnected | Theirs::Closed => Some(Event::Disconnected),
        Theirs::SlowConsumer(_) => Some(Event::Dropped),
        Theirs::ServerError(error) => Some(Event::Refused(error.to_string())),
        Theirs::LameDuckMode | Theirs::Draining | Theirs::ClientError(_) => None,
    }
}

/// The last cause of an error: the operating system's own words rather than the wrapping.
pub(crate) fn innermost(error: &async_nats::ConnectError) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut next = error.source();
    while let Some(inner) = next {
        cause = inner;
        next = inner.source();
    }
    let text = cause.to_string();
    // "Connection refused (os error 111)" says nothing with its number.
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
