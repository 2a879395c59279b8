//! Every way in which the broker says no: the words on the wire, the reason code for the log, and
//! whether the connection ends. Declared once, as data.

use std::fmt;

/// Why the broker refused something. The words are nats-server's where it has some, because
/// clients compare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The first word of a line is no verb, or a payload does not end where it was said to.
    UnknownOperation,
    /// A known verb with arguments that cannot be read.
    BadArguments,
    /// CONNECT's JSON cannot be read.
    BadConnect,
    /// CONNECT asks for a protocol version that does not exist.
    BadProtocol,
    /// CONNECT asks for 503 replies without headers, which carry them.
    NoRespondersWithoutHeaders,
    /// HPUB from a client that did not announce headers.
    HeadersNotAnnounced,
    /// A control line longer than the limit.
    ControlLine,
    /// A message longer than the limit.
    Payload,
    /// One may not publish to such a subject.
    PublishSubject,
    /// One may not subscribe to such a subject.
    Subject,
    /// A header block that clients could not read.
    Headers,
    /// One subscription more than the limit.
    Subscriptions,
    /// The client's login does not let it publish there.
    PublishPermission,
    /// The client's login does not let it subscribe there.
    SubscribePermission,
    /// The client did not show who it is, or is not admitted.
    Authorization,
    /// No CONNECT in time.
    ConnectTimeout,
    /// No sign of life for too long.
    Stale,
    /// Too much waits for this client, or it takes nothing off its socket.
    SlowConsumer,
    /// One connection more than the limit.
    Connections,
    /// Too many new connections from one address.
    AcceptRate,
}

/// All refusals, for tables and tests.
pub const ALL: [Refusal; 20] = [
    Refusal::UnknownOperation,
    Refusal::BadArguments,
    Refusal::BadConnect,
    Refusal::BadProtocol,
    Refusal::NoRespondersWithoutHeaders,
    Refusal::HeadersNotAnnounced,
    Refusal::ControlLine,
    Refusal::Payload,
    Refusal::PublishSubject,
    Refusal::Subject,
    Refusal::Headers,
    Refusal::Subscriptions,
    Refusal::PublishPermission,
    Refusal::SubscribePermission,
    Refusal::Authorization,
    Refusal::ConnectTimeout,
    Refusal::Stale,
    Refusal::SlowConsumer,
    Refusal::Connections,
    Refusal::AcceptRate,
];

impl Refusal {
    /// The words between the quotes of `-ERR '…'`. `None` where nats-server closes without a word
    /// and clients expect nothing.
    pub const fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::BadArguments | Self::BadConnect | Self::HeadersNotAnnounced => return None,
            Self::UnknownOperation => "Unknown Protocol Operation",
            Self::BadProtocol => "invalid client protocol",
            Self::NoRespondersWithoutHeaders => "no responders requires headers support",
            Self::ControlLine => "maximum control line exceeded",
            Self::Payload => "Maximum Payload Violation",
            Self::PublishSubject => "Invalid Publish Subject",
            Self::Subject => "Invalid Subject",
            Self::Headers => "Invalid Message Headers",
            Self::Subscriptions => "maximum subscriptions exceeded",
            Self::PublishPermission => "Permissions Violation for Publish to",
            Self::SubscribePermission => "Permissions Violation for Subscription to",
            Self::Authorization => "Authorization Violation",
            Self::ConnectTimeout => "Authentication Timeout",
            Self::Stale => "Stale Connection",
            Self::SlowConsumer => "Slow Consumer",
            Self::Connections => "maximum connections exceeded",
            Self::AcceptRate => "maximum connection rate exceeded",
        })
    }

    /// The reason code for logs, `[a-z-]+`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownOperation => "unknown-operation",
            Self::BadArguments => "bad-arguments",
            Self::BadConnect => "bad-connect",
            Self::BadProtocol => "bad-protocol",
            Self::NoRespondersWithoutHeaders => "no-responders-without-headers",
            Self::HeadersNotAnnounced => "headers-not-announced",
            Self::ControlLine => "control-line",
            Self::Payload => "payload",
            Self::PublishSubject => "publish-subject",
            Self::Subject => "subject",
            Self::Headers => "headers",
            Self::Subscriptions => "subscriptions",
            Self::PublishPermission => "publish-permission",
            Self::SubscribePermission => "subscribe-permission",
            Self::Authorization => "authorization",
            Self::ConnectTimeout => "connect-timeout",
            Self::Stale => "stale",
            Self::SlowConsumer => "slow-consumer",
            Self::Connections => "connections",
            Self::AcceptRate => "accept-rate",
        }
    }

    /// Whether the connection ends. It does wherever the broker can no longer tell where the next
    /// message begins.
    pub const fn closes(self) -> bool {
        !matches!(
            self,
            Self::PublishSubject
                | Self::Subject
                | Self::Headers
                | Self::Subscriptions
                | Self::PublishPermission
                | Self::SubscribePermission
        )
    }

    /// Appends the `-ERR` line to `out`; `subject` is quoted where the words end in "to".
    pub fn write_line(self, subject: Option<&str>, out: &mut Vec<u8>) {
        let Some(words) = self.words() else { return };
        out.extend_from_slice(b"-ERR '");
        out.extend_from_slice(words.as_bytes());
        if let Some(subject) = subject {
            out.extend_from_slice(b" \"");
            out.extend_from_slice(subject.as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b"'\r\n");
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_plain_and_distinct() {
        let codes: HashSet<_> = ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), ALL.len());
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }

    #[test]
    fn a_silent_refusal_closes() {
        for refusal in ALL {
            assert!(refusal.words().is_some() || refusal.closes(), "{refusal} would say nothing");
        }
    }

    #[test]
    fn the_line() {
        let mut out = Vec::new();
        Refusal::Stale.write_line(None, &mut out);
        Refusal::PublishPermission.write_line(Some("a.b"), &mut out);
        Refusal::BadConnect.write_line(None, &mut out);
        let want =
            "-ERR 'Stale Connection'\r\n-ERR 'Permissions Violation for Publish to \"a.b\"'\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
