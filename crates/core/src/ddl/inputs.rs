//! Checks the inputs of a call, and reads them from words of a command line.

use serde_json::{Map, Number, Value};

use super::{Action, Input, Type};
use crate::limits::agent::{DDL_DEPTH_MAX, INPUT_BYTES_MAX};
use crate::nearest::nearest;

/// Inputs that an action does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input {name}: {fault}")]
pub struct InputError {
    /// The input's name, cut to 80 characters.
    pub name: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The action does not declare it.
    #[error("this action has no such input{}", meant(.nearest, .declared))]
    Undeclared {
        /// What was probably meant.
        nearest: Option<String>,
        /// What there is.
        declared: Vec<String>,
    },
    /// It is needed.
    #[error("missing; {0}")]
    Missing(String),
    /// It was given more than once.
    #[error("given twice")]
    Twice,
    /// It is of another type.
    #[error("must be {want}, not {got}")]
    Type {
        /// The declared type, in words.
        want: &'static str,
        /// What it is instead, cut to 80 characters.
        got: String,
    },
    /// It is too long.
    #[error("{length} characters long, at most {max} are taken")]
    TooLong {
        /// Its length, in characters.
        length: usize,
        /// The longest one.
        max: usize,
    },
    /// It holds what a shell takes as more than a word.
    #[error("must not contain {0:?}")]
    Shell(&'static str),
    /// It does not look as it must.
    #[error("must be {0}")]
    Form(String),
    /// It is not one of the list.
    #[error("must be one of {0}")]
    NotListed(String),
}

/// Says in words what was probably meant, or what there is.
fn meant(nearest: &Option<String>, declared: &[String]) -> String {
    match nearest {
        Some(name) => format!("; nearest: {name}"),
        None if declared.is_empty() => "; it takes none".to_owned(),
        None => format!("; it takes {}", declared.join(", ")),
    }
}

impl Action {
    /// Checks inputs against the declaration and fills in defaults of what must be there.
    ///
    /// # Errors
    /// Names the first input that is undeclared, missing, of another type, too long or not as the
    /// declaration wants it.
    pub fn check_inputs(
        &self,
        given: &Map<String, Value>,
    ) -> Result<Map<String, Value>, InputError> {
        if let Some(name) = given.keys().find(|name| !self.input.contains_key(*name)) {
            return Err(self.undeclared(name));
        }
        let mut checked = Map::new();
        for (name, input) in &self.input {
            let value = match (given.get(name), &input.default) {
                (Some(value), _) => value,
                (None, _) if input.optional => continue,
                (None, Some(default)) => default,
                (None, None) => {
                    return Err(wrong(name, Fault::Missing(input.description.clone())));
                }
            };
            input.check(value).map_err(|fault| wrong(name, fault))?;
            checked.insert(name.clone(), value.clone());
        }
        Ok(checked)
    }

    /// Reads inputs from `name=value` words by their declared types, then checks them.
    ///
    /// # Errors
    /// As [`Action::check_inputs`], and for a name that stands twice or a word that is not of the
    /// declared type.
    pub fn inputs_from_words(
        &self,
        words: &[(String, String)],
    ) -> Result<Map<String, Value>, InputError> {
        let mut given = Map::new();
        for (name, word) in words {
            let input = self.input.get(name).ok_or_else(|| self.undeclared(name))?;
            let value = input.read(word).map_err(|fault| wrong(name, fault))?;
            if given.insert(name.clone(), value).is_some() {
                return Err(wrong(name, Fault::Twice));
            }
        }
        self.check_inputs(&given)
    }

    fn undeclared(&self, name: &str) -> InputError {
        let declared: Vec<String> = self.input.keys().cloned().collect();
        let nearest = nearest(name, declared.iter().map(String::as_str)).map(str::to_owned);
        wrong(name, Fault::Undeclared { nearest, declared })
    }
}

fn wrong(name: &str, fault: Fault) -> InputError {
    InputError { name: name.chars().take(80).collect(), fault }
}

impl Input {
    /// Checks one value.
    pub(super) fn check(&self, value: &Value) -> Result<(), Fault> {
        let good = match (self.kind, value) {
            (Type::String, Value::String(text)) => return self.check_text(text),
            (Type::List, value) => {
                if self.list.contains(value) {
                    return Ok(());
                }
                let listed: Vec<String> = self.list.iter().map(plain).collect();
                return Err(Fault::NotListed(listed.join(", ")));
            }
            (Type::Boolean, Value::Bool(_))
            | (Type::Number | Type::Float, Value::Number(_))
            | (Type::Hash, Value::Object(_))
            | (Type::Array, Value::Array(_)) => true,
            (Type::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
            _ => false,
        };
        if good { Ok(()) } else { Err(self.mistyped(&plain(value))) }
    }

    fn check_text(&self, text: &str) -> Result<(), Fault> {
        let length = text.chars().count();
        let max = if self.maxlength == 0 { INPUT_BYTES_MAX } else { self.maxlength };
        if length > max {
            return Err(Fault::TooLong { length, max });
        }
        if text.contains('\0') {
            return Err(Fault::Form("free of NUL".into()));
        }
        self.validation.check(text)
    }

    /// Reads a word of a command line as the declared type, as the ancestor does.
    fn read(&self, word: &str) -> Result<Value, Fault> {
        let wrong = || self.mistyped(word);
        match self.kind {
            Type::String => Ok(word.into()),
            Type::List => {
                let listed = self.list.iter().find(|value| plain(value) == word);
                Ok(listed.cloned().unwrap_or_else(|| word.into()))
            }
            Type::Boolean => match word.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" => Ok(true.into()),
                "false" | "f" | "no" | "n" | "0" => Ok(false.into()),
                _ => Err(wrong()),
            },
            Type::Integer => word.parse::<i64>().map(Into::into).map_err(|_| wrong()),
            Type::Number | Type::Float => {
                if let Ok(whole) = word.parse::<i64>() {
                    return Ok(whole.into());
                }
                let number = word.parse::<f64>().ok().and_then(Number::from_f64);
                number.map(Value::Number).ok_or_else(wrong)
            }
            Type::Hash | Type::Array => {
                crate::json::parse(word.as_bytes(), DDL_DEPTH_MAX).map_err(|_| wrong())
            }
        }
    }

    fn mistyped(&self, got: &str) -> Fault {
        let want = match self.kind {
            Type::String => "text",
            Type::Boolean => "true or false",
            Type::Integer => "a whole number",
            Type::Number | Type::Float => "a number",
            Type::List => "one of its list",
            Type::Hash => "a JSON object",
            Type::Array => "a JSON array",
        };
        let mut got: String = got.chars().take(80).collect();
        if got.is_empty() {
            got.push_str("nothing");
        }
        Fault::Type { want, got }
    }
}

/// A value as a person would type it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
