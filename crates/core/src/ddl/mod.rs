//! What an agent declares of itself: actions, inputs, outputs, and what they do to a host.
//!
//! The JSON form is Choria's (`https://choria.io/schemas/mcorpc/ddl/v1/agent.json`), so that
//! existing plugins are read unchanged, with three keys of our own: `effect` (`read` or `change`)
//! and `item` in an action, `group` in an output. A validator that is not known is an error here,
//! where the ancestor accepted every value.

mod inputs;
mod read;
#[cfg(test)]
mod tests;
mod validator;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{ActionName, AgentName, Span};

pub use inputs::{Fault, InputError};
pub use read::DdlError;
pub use validator::Validator;

/// An agent's whole declaration.
#[derive(Debug, Clone)]
pub struct Ddl {
    /// Who it is.
    pub metadata: Metadata,
    /// What it can do.
    pub actions: BTreeMap<ActionName, Action>,
}

/// An agent's name, origin and time limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The agent's name.
    pub name: AgentName,
    /// What it is for, in a sentence.
    pub description: String,
    /// Who wrote it.
    pub author: String,
    /// Under what licence.
    pub license: String,
    /// Its version, such as `1.2.0`.
    pub version: String,
    /// Where it comes from.
    pub url: String,
    /// How long an action may run.
    pub timeout: Span,
}

/// One thing that an agent can do.
#[derive(Debug, Clone)]
pub struct Action {
    /// What it does, in a sentence.
    pub description: String,
    /// Which answers a report shows.
    pub display: Display,
    /// What it does to the host.
    pub effect: Effect,
    /// The input that says what is changed: a later change of the same item supersedes.
    pub item: Option<String>,
    /// What it takes.
    pub input: BTreeMap<String, Input>,
    /// What it answers.
    pub output: BTreeMap<String, Output>,
    /// How a report sums the answers up.
    pub aggregate: Vec<Aggregate>,
}

/// What an action does to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It only looks.
    Read,
    /// It may change something; what is not declared counts as this.
    Change,
}

impl Effect {
    /// The word in declarations and policies.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
        }
    }
}

/// Which answers a report shows, unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Display {
    /// Those that went well.
    Ok,
    /// Those that failed; the default.
    Failed,
    /// All.
    Always,
}

/// The type of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// Any number; the ancestor's other word.
    Float,
    /// One of the values that the declaration lists.
    List,
    /// A JSON object.
    Hash,
    /// A JSON array.
    Array,
}

impl Type {
    /// All types with their words in declarations.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::String, "string"),
        (Self::Boolean, "boolean"),
        (Self::Integer, "integer"),
        (Self::Number, "number"),
        (Self::Float, "float"),
        (Self::List, "list"),
        (Self::Hash, "hash"),
        (Self::Array, "array"),
    ];

    /// The word in declarations.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }
}

/// What an action takes under one name.
#[derive(Debug, Clone)]
pub struct Input {
    /// A question to a person.
    pub prompt: String,
    /// What it means, in a sentence.
    pub description: String,
    /// Its type.
    pub kind: Type,
    /// Whether it may be left out.
    pub optional: bool,
    /// What it is when it is left out though it is not optional.
    pub default: Option<Value>,
    /// What a string must look like.
    pub validation: Validator,
    /// The longest string, in characters; zero is without a limit of its own.
    pub maxlength: usize,
    /// The values of a list.
    pub list: Vec<Value>,
}

/// What an action answers under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What it means, in a sentence.
    pub description: String,
    /// Its label in reports.
    pub display_as: String,
    /// Its type, where it is declared.
    pub kind: Option<Type>,
    /// What it is when the agent does not set it.
    pub default: Option<Value>,
    /// Whether nodes that answer the same are shown as one group.
    pub group: bool,
}

/// How a report sums one output up over all nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// By which function.
    pub function: Function,
    /// Of which output.
    pub output: String,
    /// How it is written: the ancestor's `format` string, where one is given.
    pub format: Option<String>,
    /// Other names for values, such as `"true": "running"`.
    pub labels: BTreeMap<String, String>,
}

/// A function that sums an output up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// How often each value occurs.
    Summary,
    /// How often true and false occur.
    BooleanSummary,
    /// The mean of numbers.
    Average,
    /// The sum of numbers.
    Sum,
    /// The spread of numbers.
    Chart,
    /// One that a plugin of the ancestor brings along; a report leaves it out.
    Foreign,
}

impl Action {
    /// Whether the action may change the host.
    #[must_use]
    pub const fn changes(&self) -> bool {
        matches!(self.effect, Effect::Change)
    }

    /// The outputs by which nodes with equal answers are shown as one group.
    pub fn grouped(&self) -> impl Iterator<Item = &str> {
        self.output.iter().filter(|(_, output)| output.group).map(|(name, _)| name.as_str())
    }

    /// What is changed, for "a later change of the same item supersedes": the value of the input
    /// that the declaration names.
    #[must_use]
    pub fn item_of(&self, inputs: &serde_json::Map<String, Value>) -> Option<String> {
        match inputs.get(self.item.as_ref()?)? {
            Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        }
    }

    /// Sets every declared output with a default that `data` lacks.
    pub fn fill_outputs(&self, data: &mut serde_json::Map<String, Value>) {
        for (name, output) in &self.output {
            if let Some(default) = &output.default
                && !data.contains_key(name)
            {
                data.insert(name.clone(), default.clone());
            }
        }
    }
}
