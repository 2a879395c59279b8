//! What a string input must look like: the ancestor's named validators and regular expressions.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use regex::Regex;

use super::inputs::Fault;
use crate::limits::agent::{DDL_REGEX_BYTES_MAX, DDL_REGEX_COMPILED_BYTES_MAX};

/// What the ancestor's shellsafe validator refuses: what lets a shell run a second command, read
/// or write files. We start no shell, but plugins do.
const UNSAFE: [&str; 8] = ["`", "$", ";", "|", "&&", ">", "<", "\n"];

/// A rule for the text of an input.
#[derive(Clone)]
pub enum Validator {
    /// The type alone counts.
    Typecheck,
    /// Nothing that a shell takes as more than a word.
    Shellsafe,
    /// An IPv4 address.
    Ipv4Address,
    /// An IPv6 address.
    Ipv6Address,
    /// An address of either kind.
    IpAddress,
    /// A service's name, as the ancestor's service agent has it.
    ServiceName,
    /// A regular expression that must be found in the text.
    Regex(Regex),
}

impl Validator {
    /// The named validators.
    const NAMED: [(&'static str, Self); 6] = [
        ("typecheck", Self::Typecheck),
        ("shellsafe", Self::Shellsafe),
        ("ipv4address", Self::Ipv4Address),
        ("ipv6address", Self::Ipv6Address),
        ("ipaddress", Self::IpAddress),
        ("service_name", Self::ServiceName),
    ];

    /// Reads the text of a declaration: a name, else a regular expression.
    ///
    /// What looks like a name but is none is an error: the ancestor lets every value pass there.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some((_, known)) = Self::NAMED.into_iter().find(|(name, _)| *name == text) {
            return Ok(known);
        }
        if text.is_empty() {
            return Err("it is empty; \".*\" takes everything".into());
        }
        if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            let names: Vec<&str> = Self::NAMED.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "there is no validator {text:?}; there are {}, and regular expressions",
                names.join(", ")
            ));
        }
        if text.len() > DDL_REGEX_BYTES_MAX {
            return Err(format!("the expression is longer than {DDL_REGEX_BYTES_MAX} bytes"));
        }
        regex::RegexBuilder::new(&ascii_classes(text))
            .size_limit(DDL_REGEX_COMPILED_BYTES_MAX)
            .dfa_size_limit(DDL_REGEX_COMPILED_BYTES_MAX)
            .build()
            .map(Self::Regex)
            .map_err(|error| format!("not a regular expression: {error}"))
    }

    /// Checks a text.
    pub(super) fn check(&self, text: &str) -> Result<(), Fault> {
        let good = match self {
            Self::Typecheck => true,
            Self::Shellsafe => {
                if let Some(found) = UNSAFE.iter().find(|part| text.contains(**part)) {
                    return Err(Fault::Shell(found));
                }
                true
            }
            Self::Ipv4Address => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6Address => text.parse::<Ipv6Addr>().is_ok(),
            Self::IpAddress => text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok(),
            // The ancestors' letters, and the `\` of systemd's escaped names (systemd-escape(1)).
            Self::ServiceName => {
                !text.is_empty()
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:@\\".contains(&b))
            }
            Self::Regex(regex) => regex.is_match(text),
        };
        if good { Ok(()) } else { Err(Fault::Form(self.to_string())) }
    }
}

/// Writes `\d`, `\w`, `\s` and their opposites out as the ASCII classes that the ancestors' engines
/// (Ruby, RE2) mean: `^\d+$` must not take the digits of every script, and small classes compile
/// to small programs.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str(r"[\t\n\x0B\f\r ]"),
            Some('S') => out.push_str(r"[^\t\n\x0B\f\r ]"),
            Some('b') => out.push_str(r"(?-u:\b)"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

impl fmt::Display for Validator {
    /// Says what is taken, in words that fit behind "it must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Typecheck => "of its type",
            Self::Shellsafe => "free of what a shell takes as more than a word",
            Self::Ipv4Address => "an IPv4 address",
            Self::Ipv6Address => "an IPv6 address",
            Self::IpAddress => "an IP address",
            Self::ServiceName => "a service's name (letters, digits, . - _ : @ \\)",
            Self::Regex(regex) => return write!(f, "matched by {}", regex.as_str()),
        })
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Validator({self})")
    }
}
