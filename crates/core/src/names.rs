//! Names as types of their own, so that none can be half valid or pass for another.
//!
//! An identity cannot be given where a caller is asked for, and each where it is:
//!
//! ```
//! use marcato_core::{CallerId, Identity};
//! fn who(_: &CallerId) {}
//! fn host(_: &Identity) {}
//! who(&"web1.example.com".parse::<CallerId>().unwrap());
//! host(&"web1.example.com".parse::<Identity>().unwrap());
//! ```
//!
//! ```compile_fail,E0308
//! use marcato_core::{CallerId, Identity};
//! fn who(_: &CallerId) {}
//! who(&"web1.example.com".parse::<Identity>().unwrap());
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not a valid name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not valid: {rule}")]
pub struct NameError {
    /// What was meant, in words (`identity`, `agent` …).
    pub kind: &'static str,
    /// The text, cut to 80 characters.
    pub text: String,
    /// The rule that it breaks, in words.
    pub rule: &'static str,
}

/// Declares a validated text type: its doc, its name in words, its rule in words, its check.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Box<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(text.into()));
                }
                let text = text.chars().take(80).collect();
                Err(NameError { kind: $kind, text, rule: $rule })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn made_of(text: &str, longest: usize, allowed: fn(u8) -> bool) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

name!(
    /// A managed host's name, such as `web1.example.com`.
    Identity,
    "identity",
    "1 to 253 of a-z 0-9 . _ - (lower case)",
    |text| made_of(text, 253, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
);
name!(
    /// Who signs: a principal of `allowed_signers`, such as `ops@example.com`.
    CallerId,
    "caller",
    "1 to 128 of A-Z a-z 0-9 . _ - + @ =",
    |text| made_of(text, 128, |b| b.is_ascii_alphanumeric() || b"._-+@=".contains(&b))
);
name!(
    /// A named fleet.
    Collective,
    "collective",
    "1 to 64 of a-z 0-9 - _, a letter or digit first",
    |text| made_of(text, 64, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        && text.as_bytes()[0].is_ascii_alphanumeric()
);
name!(
    /// A plugin on a node, such as `package`.
    AgentName,
    "agent",
    "1 to 64 of a-z 0-9 _, a letter first",
    |text| made_of(text, 64, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && text.as_bytes()[0].is_ascii_lowercase()
);
name!(
    /// What an agent can do, such as `status`.
    ActionName,
    "action",
    "1 to 64 of a-z 0-9 _, a letter first",
    |text| made_of(text, 64, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && text.as_bytes()[0].is_ascii_lowercase()
);
name!(
    /// A fact's name, such as `hagroup` or `os.release.major`.
    FactName,
    "fact",
    "1 to 512 printable characters without blanks",
    |text| (1..=512).contains(&text.len())
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
);
name!(
    /// An operator's short name of an order, such as `K7PX`; unique in his own state folder alone.
    JobId,
    "job",
    "4 to 8 of A-Z 2-9",
    |text| (4..=8).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'9'))
);

/// An order's name: 128 random bits, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId([u8; 16]);

impl OrderId {
    /// Makes an id of 16 random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, as they enter Merkle leaves.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for OrderId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            kind: "order id",
            text: text.chars().take(80).collect(),
            rule: "32 lower-case hexadecimal digits",
        };
        let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(lower_hex) {
            return Err(wrong());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| wrong())?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for OrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OrderId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} should be valid");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn names_follow_their_rules() {
        let long = "a".repeat(254);
        check::<Identity>(&["web1.example.com", "a", "x_y-z"], &["", "Web1", "a b", "ü", &long]);
        check::<CallerId>(&["ops@example.com", "Choria=rip"], &["", "a b", "a,b", "*"]);
        check::<Collective>(&["lab", "prod-1"], &["", "-lab", "Prod", "a.b"]);
        check::<AgentName>(&["package", "my_agent2"], &["", "Package", "2nd", "../x", "a-b"]);
        check::<JobId>(&["K7PX"], &["", "k7px", "K7P", "K1PX", "K0PX"]);
        check::<OrderId>(&[&"0f".repeat(16)], &["", &"0F".repeat(16), &"0".repeat(31)]);
    }

    #[test]
    fn an_order_id_keeps_its_leading_zeros() {
        let id = OrderId::from_bytes([0; 16]);
        assert_eq!(id.to_string(), "0".repeat(32));
        assert_eq!(id.to_string().parse::<OrderId>().unwrap(), id);
    }
}
