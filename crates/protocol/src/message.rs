//! A message as a broker carries it: subject, headers, body. The link turns it into bytes.

use std::fmt;

/// The header that says what a message is.
pub const KIND: &str = "Mco-Kind";
/// The signature of the body (or of its signed part): a binary SSHSIG in base64.
pub const SIGNATURE: &str = "Mco-Signature";
/// A node's place in the set of an order's step.
pub const PROOF: &str = "Mco-Proof";
/// Which step of an order of several this is: `length-of-the-order proof`.
pub const STEP: &str = "Mco-Step";
/// How many bytes of a receipt's body are its outer part.
pub const OUTER: &str = "Mco-Outer";
/// The sealed content keys of a receipt's inner part.
pub const SEAL: &str = "Mco-Seal";
/// A node's certificate, where an order asked for it.
pub const CERTIFICATE: &str = "Mco-Certificate";

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An operator's signed order.
    Order,
    /// A node's signed end state.
    Receipt,
    /// A node's signed word that it has begun or still runs.
    Progress,
    /// A node's signed description of itself.
    Registration,
    /// A node's signed word that it is there.
    Heartbeat,
    /// The hub asks a node for its registration.
    Wanted,
    /// A client asks the hub.
    Question,
    /// The hub answers.
    Answer,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Order,
        Self::Receipt,
        Self::Progress,
        Self::Registration,
        Self::Heartbeat,
        Self::Wanted,
        Self::Question,
        Self::Answer,
    ];

    /// The text of the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Receipt => "receipt",
            Self::Progress => "progress",
            Self::Registration => "registration",
            Self::Heartbeat => "heartbeat",
            Self::Wanted => "wanted",
            Self::Question => "question",
            Self::Answer => "answer",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The headers of a message, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Headers of a message of this kind.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self(vec![(KIND.to_owned(), kind.as_str().to_owned())])
    }

    /// Adds a header.
    pub fn push(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), value));
    }

    /// The same headers with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.push(name, value);
        self
    }

    /// The value of a header; `None` when it is missing or stands there twice, because two readers
    /// could take different ones.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// What the message is.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        let text = self.get(KIND)?;
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// All headers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What the headers weigh on the wire, in bytes (names, values and their separators).
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
    }
}

/// A length as headers carry it: digits alone, without a needless zero in front, so that a number
/// has one text.
pub(crate) fn decimal(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = text.len() == 1 || !text.starts_with('0');
    if digits && shortest { text.parse().ok() } else { None }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

/// A message as it arrives from, or goes to, a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes, or where it came in.
    pub subject: String,
    /// Where a broker may say that nobody listens. Answers never go there by its word alone.
    pub reply: Option<String>,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_stands_twice_is_none() {
        let headers = Headers::of(Kind::Order).with(PROOF, "a".into()).with(PROOF, "b".into());
        assert_eq!(headers.get(PROOF), None);
        assert_eq!(headers.kind(), Some(Kind::Order));
        assert_eq!(Headers::default().kind(), None);
    }

    #[test]
    fn a_length_has_one_text() {
        for (text, want) in [("0", Some(0)), ("1", Some(1)), ("4096", Some(4096))] {
            assert_eq!(decimal(text), want, "{text}");
        }
        for text in ["", "+1", "-1", "01", "00", "1 ", " 1", "1_0", "0x1", "99999999999999999999"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
