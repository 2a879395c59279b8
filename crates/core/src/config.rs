//! How configuration files are declared and read: TOML, unknown keys refused, each error with its
//! file, its line and, where a key is mistyped, the nearest right one.

use serde::de::DeserializeOwned;

use crate::nearest;

/// A key of a configuration file, as its manual shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: &'static str,
    /// What holds where it is missing; nothing where it must be there.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

/// Declares the settings of a file once: a struct that is read from TOML, and its `KEYS` for the
/// manual. The comment of each field is the key's meaning; `#[key(…)]` names the kind of its value
/// and, unless it must be there, what holds without it.
#[macro_export]
macro_rules! config_file {
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    (
        $(#[$outer:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                #[key($kind:literal $(, default = $default:literal)?)]
                $(#[serde($($serde:tt)+)])*
                pub $field:ident: $type:ty,
            )+
        }
    ) => {
        $(#[$outer])*
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)+)])*
                pub $field: $type,
            )+
        }

        impl $name {
            /// The keys of the file, as its manual shows them.
            pub const KEYS: &[$crate::config::Key] = &[$($crate::config::Key {
                name: stringify!($field),
                kind: $kind,
                default: $crate::config_file!(@default $($default)?),
                meaning: concat!($($doc),+).trim_ascii(),
            }),+];
        }
    };
}

/// What is wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Reads a configuration file's text into a type that denies unknown fields.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let what = error.message().trim().replace('\n', " ");
        ConfigError { file: file.to_owned(), line, what: with_nearest(&what) }
    })
}

/// Exchanges serde's list of all fields for the one that was probably meant.
fn with_nearest(what: &str) -> String {
    let Some(rest) = what.strip_prefix("unknown field ") else { return what.to_owned() };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else { return what.to_owned() };
    let known: Vec<&str> = quoted.collect();
    match nearest::nearest(wrong, known.iter().copied()) {
        Some(near) => format!("unknown key {wrong:?}; did you mean {near:?}?"),
        None => format!("unknown key {wrong:?}; known are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    config_file! {
        /// A file.
        #[derive(Debug)]
        pub struct Sample {
            /// Where the broker
            /// listens.
            #[key("address")]
            pub broker: String,
            /// Whether changes are refused.
            #[key("`true` or `false`", default = "`false`")]
            #[serde(default)]
            pub read_only: bool,
        }
    }

    #[test]
    fn a_file_is_declared_once() {
        let key = |name, kind, default, meaning| Key { name, kind, default, meaning };
        let want = [
            key("broker", "address", None, "Where the broker listens."),
            key("read_only", "`true` or `false`", Some("`false`"), "Whether changes are refused."),
        ];
        assert_eq!(Sample::KEYS, want);
        let sample: Sample = parse("node.toml", "broker = 'x'\n").unwrap();
        assert!(sample.broker == "x" && !sample.read_only);
    }

    fn check(text: &str, want: &str) {
        let error = parse::<Sample>("node.toml", text).unwrap_err().to_string();
        assert_eq!(error, want);
    }

    #[test]
    fn errors_name_their_line_and_the_nearest_key() {
        check("\nbrokr = 'x'\n", "node.toml:2: unknown key \"brokr\"; did you mean \"broker\"?");
        check(
            "zzzzzzzz = 1\n",
            "node.toml:1: unknown key \"zzzzzzzz\"; known are: broker, read_only",
        );
        check("broker = 1\n", "node.toml:1: invalid type: integer `1`, expected a string");
        check("", "node.toml:1: missing field `broker`");
        check("broker = 'x'\nread_only = tru\n", "node.toml:2: invalid boolean, expected `true`");
    }
}
