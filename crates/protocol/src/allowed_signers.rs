//! Who may sign: OpenSSH's `allowed_signers` file (`ssh-keygen(1)`, "ALLOWED SIGNERS").
//!
//! The same file serves `ssh-keygen -Y verify`. What is read here means the same there; some of
//! what OpenSSH reads is refused, with the line and the reason, because it would open a door:
//!
//! - `*`, `?` and `!` among the principals of a plain key: one operator could sign under the name
//!   of another. (In `namespaces=` they are read as OpenSSH reads them.)
//! - times without `Z`: they would mean another moment on each host.
//! - `cert-authority` lines, certificates and FIDO keys: not supported yet, and a line that
//!   silently does nothing would be worse than one that is refused.

use std::collections::BTreeMap;
use std::fmt;

use marcato_core::limits::crypto::{
    ALLOWED_SIGNERS_BYTES_MAX, ALLOWED_SIGNERS_ERRORS_MAX, ALLOWED_SIGNERS_LINE_BYTES_MAX,
};

use crate::sshsig::{KeyError, KeyKind, PublicKey};

/// The signers of one file.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    entries: Vec<Entry>,
    /// For each principal the places in `entries` that name it, in the file's order.
    by_principal: BTreeMap<String, Vec<usize>>,
}

/// One line: principals, a key, and what the key may sign and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    principals: Vec<String>,
    key: PublicKey,
    /// A list of patterns; every namespace is allowed when there is none.
    namespaces: Option<String>,
    /// The first second at which the key may sign, since 1970 in UTC.
    valid_after: Option<u64>,
    /// The last second at which the key may sign, since 1970 in UTC.
    valid_before: Option<u64>,
    line: usize,
}

impl Entry {
    /// The names that may sign with the key, as the line has them.
    #[must_use]
    pub fn principals(&self) -> &[String] {
        &self.principals
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The line's number in the file, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    fn allows_namespace(&self, namespace: &str) -> bool {
        match &self.namespaces {
            Some(patterns) => matches_list(patterns, namespace),
            None => true,
        }
    }
}

/// What is wrong with one line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// The file's name, as it was given.
    pub file: String,
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: LineReason,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl std::error::Error for LineError {}

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineReason {
    /// The whole file is too large.
    #[error("the file is longer than {ALLOWED_SIGNERS_BYTES_MAX} bytes")]
    FileTooLong,
    /// The line is too long.
    #[error("the line is longer than {ALLOWED_SIGNERS_LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// A character that cannot be seen.
    #[error("a control character or byte order mark stands in the line; remove it")]
    Unseen,
    /// The line has no key.
    #[error("no key: expected \"NAME[,NAME…] [OPTIONS] TYPE BASE64\"")]
    NoKey,
    /// An empty name, as between two commas.
    #[error("an empty name stands among the principals")]
    EmptyPrincipal,
    /// A quotation mark that does not enclose the whole list of principals.
    #[error("a quotation mark must enclose all principals of the line")]
    PrincipalQuotes,
    /// A wildcard or negation for a plain key.
    #[error(
        "{0:?}: * ? and ! are allowed on cert-authority lines alone, for with a plain key they \
         would let its holder sign under another name"
    )]
    Wildcard(String),
    /// A line of a certificate authority.
    #[error("certificates are not supported yet: remove the cert-authority line")]
    CertAuthority,
    /// An option, or a key type, that is not known.
    #[error("{0:?} is neither a known type of key nor a known option")]
    UnknownOption(String),
    /// An option twice.
    #[error("the option {0} stands there twice")]
    Twice(&'static str),
    /// An option's value is not in quotation marks.
    #[error("the value of the option {0} must stand in quotation marks")]
    Unquoted(&'static str),
    /// Something other than a comma follows an option.
    #[error("after the option {0} a comma or a space must follow")]
    AfterOption(&'static str),
    /// An empty element in `namespaces=`.
    #[error("an empty name stands in namespaces")]
    EmptyNamespace,
    /// A time without `Z`.
    #[error("{0}: the time must end in Z (UTC), or it would mean another moment on each host")]
    LocalTime(&'static str),
    /// A text that is not a time.
    #[error("{0}: expected YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ")]
    BadTime(&'static str),
    /// The end is not after the beginning.
    #[error("valid-before is not after valid-after")]
    EndsBeforeItBegins,
    /// The key is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a key may not sign for a principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No line names the principal.
    #[error("{principal} is not among the allowed signers")]
    UnknownPrincipal {
        /// The name that was asked for.
        principal: String,
    },
    /// Lines name the principal, none with this key.
    #[error("the key {fingerprint} is not allowed to sign for {principal}")]
    KeyNotAllowed {
        /// The name that was asked for.
        principal: String,
        /// The key that signed.
        fingerprint: String,
    },
    /// The key may sign for the principal, but not this kind of message.
    #[error("line {line} does not allow {principal} to sign in the namespace {namespace}")]
    NamespaceNotAllowed {
        /// The name that was asked for.
        principal: String,
        /// The namespace that was asked for.
        namespace: String,
        /// The line of the key.
        line: usize,
    },
    /// The key's time has not begun.
    #[error("the key of {principal} on line {line} is not valid yet")]
    NotYetValid {
        /// The name that was asked for.
        principal: String,
        /// The line of the key.
        line: usize,
    },
    /// The key's time is over.
    #[error("the key of {principal} on line {line} is no longer valid")]
    NoLongerValid {
        /// The name that was asked for.
        principal: String,
        /// The line of the key.
        line: usize,
    },
}

impl AllowedSigners {
    /// Reads a whole file; `file_name` is what errors call it.
    ///
    /// # Errors
    /// Every bad line (at most 50) with its number and reason: a file is taken whole or not at
    /// all, so that a mistake cannot drop one operator in silence.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Vec<LineError>> {
        let error = |line: usize, reason: LineReason| LineError {
            file: file_name.to_owned(),
            line,
            reason,
        };
        if text.len() > ALLOWED_SIGNERS_BYTES_MAX {
            return Err(vec![error(1, LineReason::FileTooLong)]);
        }
        let mut signers = Self::default();
        let mut errors = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match parse_line(line, index + 1) {
                Ok(Some(entry)) => signers.add(entry),
                Ok(None) => {}
                Err(reason) => errors.push(error(index + 1, reason)),
            }
            if errors.len() == ALLOWED_SIGNERS_ERRORS_MAX {
                break;
            }
        }
        if errors.is_empty() { Ok(signers) } else { Err(errors) }
    }

    fn add(&mut self, entry: Entry) {
        let place = self.entries.len();
        for principal in &entry.principals {
            let places = self.by_principal.entry(principal.clone()).or_default();
            // A name twice on one line counts once.
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        self.entries.push(entry);
    }

    /// The line that lets `key` sign for `principal` in `namespace` at that moment (milliseconds
    /// since 1970, UTC): the first one, when there are several.
    ///
    /// # Errors
    /// [`SignerError`], which says what is missing: the name, the key, the namespace or the time.
    pub fn find(
        &self,
        principal: &str,
        key: &PublicKey,
        namespace: &str,
        now_unix_ms: u64,
    ) -> Result<&Entry, SignerError> {
        let principal_owned = || principal.to_owned();
        let places = self
            .by_principal
            .get(principal)
            .ok_or_else(|| SignerError::UnknownPrincipal { principal: principal_owned() })?;
        let mut error = SignerError::KeyNotAllowed {
            principal: principal_owned(),
            fingerprint: key.fingerprint(),
        };
        let entries = places.iter().filter_map(|place| self.entries.get(*place));
        for entry in entries.filter(|entry| entry.key == *key) {
            let line = entry.line;
            let now = now_unix_ms / 1000;
            let principal = principal_owned();
            if !entry.allows_namespace(namespace) {
                // A line that fails by its time alone says more than one of another namespace.
                if matches!(error, SignerError::KeyNotAllowed { .. }) {
                    error = SignerError::NamespaceNotAllowed {
                        principal,
                        namespace: namespace.to_owned(),
                        line,
                    };
                }
            } else if entry.valid_after.is_some_and(|after| now < after) {
                error = SignerError::NotYetValid { principal, line };
            } else if entry.valid_before.is_some_and(|before| now > before) {
                error = SignerError::NoLongerValid { principal, line };
            } else {
                return Ok(entry);
            }
        }
        Err(error)
    }

    /// The names that the lines with this key have, in the file's order, each once.
    #[must_use]
    pub fn principals_of(&self, key: &PublicKey) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.key == *key) {
            for name in &entry.principals {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// All lines with a key, in the file's order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Reads one line; nothing for one that is empty or a comment.
fn parse_line(line: &str, number: usize) -> Result<Option<Entry>, LineReason> {
    if line.len() > ALLOWED_SIGNERS_LINE_BYTES_MAX {
        return Err(LineReason::LineTooLong);
    }
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.contains(|c: char| (c.is_control() && c != '\t') || c == '\u{feff}') {
        return Err(LineReason::Unseen);
    }
    let (principals, rest) = take_principals(line)?;
    let (options, key_text) = split_options(rest)?;
    if options.cert_authority {
        return Err(LineReason::CertAuthority);
    }
    let principals = check_principals(principals)?;
    let (key, _comment) = PublicKey::parse_line(key_text)?;
    Ok(Some(Entry {
        principals,
        key,
        namespaces: options.namespaces,
        valid_after: options.valid_after,
        valid_before: options.valid_before,
        line: number,
    }))
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Takes the first word, or a quoted text, and gives what follows it.
fn take_principals(line: &str) -> Result<(&str, &str), LineReason> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => {
            let (inner, rest) = quoted.split_once('"').ok_or(LineReason::PrincipalQuotes)?;
            if rest.is_empty() {
                return Err(LineReason::NoKey);
            }
            if !rest.starts_with(is_blank) {
                return Err(LineReason::PrincipalQuotes);
            }
            (inner, rest)
        }
        None => {
            let (word, rest) = line.split_once(is_blank).ok_or(LineReason::NoKey)?;
            if word.contains('"') {
                return Err(LineReason::PrincipalQuotes);
            }
            (word, rest)
        }
    };
    Ok((principals, rest.trim_start_matches(is_blank)))
}

fn check_principals(list: &str) -> Result<Vec<String>, LineReason> {
    let check = |name: &str| {
        if name.is_empty() {
            Err(LineReason::EmptyPrincipal)
        } else if name.contains(['*', '?']) || name.starts_with('!') {
            Err(LineReason::Wildcard(name.chars().take(64).collect()))
        } else {
            Ok(name.to_owned())
        }
    };
    list.split(',').map(check).collect()
}

#[derive(Default)]
struct Options {
    cert_authority: bool,
    namespaces: Option<String>,
    valid_after: Option<u64>,
    valid_before: Option<u64>,
}

/// Tells options from the key: what does not begin with the name of a type of key, known or
/// refused, is a list of options, and the key follows it.
fn split_options(text: &str) -> Result<(Options, &str), LineReason> {
    let first = text.split(is_blank).next().unwrap_or_default();
    match KeyKind::from_name(first) {
        Err(KeyError::UnknownType(_)) => parse_options(text),
        // Also a kind that is refused: reading the key says so by its name.
        _ => Ok((Options::default(), text)),
    }
}

/// Reads the list of options as OpenSSH does (`sshsigopt_parse`): names in any case, values in
/// quotation marks with `\"` inside, no blanks between, ended by a blank.
fn parse_options(text: &str) -> Result<(Options, &str), LineReason> {
    let mut options = Options::default();
    let mut rest = text;
    loop {
        let name;
        if let Some(after) = strip_name(rest, "cert-authority") {
            (name, rest) = ("cert-authority", after);
            options.cert_authority = true;
        } else if let Some(after) = strip_name(rest, "namespaces=") {
            name = "namespaces";
            let value;
            (value, rest) = dequote(after, name)?;
            if value.split(',').any(|part| part.is_empty() || part == "!") {
                return Err(LineReason::EmptyNamespace);
            }
            set_once(&mut options.namespaces, value, name)?;
        } else if let Some(after) = strip_name(rest, "valid-after=") {
            name = "valid-after";
            let value;
            (value, rest) = dequote(after, name)?;
            set_once(&mut options.valid_after, parse_time(&value, name)?, name)?;
        } else if let Some(after) = strip_name(rest, "valid-before=") {
            name = "valid-before";
            let value;
            (value, rest) = dequote(after, name)?;
            set_once(&mut options.valid_before, parse_time(&value, name)?, name)?;
        } else {
            let word = rest.split(is_blank).next().unwrap_or_default();
            return Err(LineReason::UnknownOption(word.chars().take(64).collect()));
        }
        match rest.chars().next() {
            Some(',') => rest = &rest[1..],
            Some(blank) if is_blank(blank) => break,
            Some(_) => return Err(LineReason::AfterOption(name)),
            None => return Err(LineReason::NoKey),
        }
    }
    if let (Some(after), Some(before)) = (options.valid_after, options.valid_before)
        && before <= after
    {
        return Err(LineReason::EndsBeforeItBegins);
    }
    Ok((options, rest.trim_start_matches(is_blank)))
}

fn strip_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then_some(rest)
}

/// Takes a value in quotation marks and gives what follows it.
fn dequote<'a>(text: &'a str, name: &'static str) -> Result<(String, &'a str), LineReason> {
    let inner = text.strip_prefix('"').ok_or(LineReason::Unquoted(name))?;
    let mut value = String::new();
    let mut chars = inner.char_indices().peekable();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &inner[place + 1..])),
            '\\' if chars.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            other => value.push(other),
        }
    }
    Err(LineReason::Unquoted(name))
}

fn set_once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), LineReason> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(LineReason::Twice(name)),
    }
}

/// Reads `YYYYMMDD[HHMM[SS]]Z` as seconds since 1970.
fn parse_time(text: &str, name: &'static str) -> Result<u64, LineReason> {
    let Some(digits) = text.strip_suffix('Z') else {
        return Err(LineReason::LocalTime(name));
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(LineReason::BadTime(name));
    }
    let number = |from: usize, to: usize| -> u64 {
        let digits = digits.get(from..to).unwrap_or_default();
        digits.bytes().fold(0, |n, b| n * 10 + u64::from(b - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of = |month: u64| match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_date = (1..=12).contains(&month) && (1..=days_of(month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 || year < 1970 {
        return Err(LineReason::BadTime(name));
    }
    let before = year - 1;
    let leap_days =
        (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let days = (year - 1970) * 365 + leap_days + (1..month).map(days_of).sum::<u64>() + day - 1;
    match days * 86_400 + hour * 3600 + minute * 60 + second {
        // OpenSSH takes the very first second for "not set".
        0 => Err(LineReason::BadTime(name)),
        seconds => Ok(seconds),
    }
}

/// Whether a list of patterns allows the text: one must match, and none that begins with `!`
/// (OpenSSH's `match_pattern_list`).
fn matches_list(patterns: &str, text: &str) -> bool {
    let mut allowed = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if matches_pattern(negated, text) => return false,
            Some(_) => {}
            None => allowed |= matches_pattern(pattern, text),
        }
    }
    allowed
}

/// Whether a pattern with `*` and `?` matches the text, in time of at most their lengths' product.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            // The last star takes one byte more, and what follows it is tried anew.
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    p = place + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}
