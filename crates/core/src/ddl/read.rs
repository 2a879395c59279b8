//! Reads a declaration from its JSON form and says where it is wrong.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Action, Aggregate, Ddl, Display, Effect, Function, Input, Metadata, Output, Type, Validator,
};
use crate::limits::agent::{
    DDL_ACTIONS_MAX, DDL_BYTES_MAX, DDL_DEPTH_MAX, DDL_FIELDS_MAX, DDL_TEXT_BYTES_MAX,
};
use crate::limits::timing::RUN_LIMIT_MAX;
use crate::nearest::nearest;
use crate::{ActionName, AgentName, Span, json};

/// A declaration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct DdlError {
    /// The place, such as `actions[status].input.package.type`.
    pub at: String,
    /// What is wrong there, and what would be right.
    pub what: String,
}

impl DdlError {
    fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }
}

impl Ddl {
    /// Reads a declaration.
    ///
    /// # Errors
    /// Names the first place that is wrong and what would be right there.
    pub fn parse(bytes: &[u8]) -> Result<Self, DdlError> {
        if bytes.len() > DDL_BYTES_MAX {
            return Err(DdlError::new("declaration", format!("longer than {DDL_BYTES_MAX} bytes")));
        }
        let value = json::parse(bytes, DDL_DEPTH_MAX)
            .map_err(|error| DdlError::new("declaration", error.to_string()))?;
        let mut top = Fields::of("", value)?;
        top.skip("$schema");
        let metadata = metadata(top.must("metadata")?)?;
        let listed = top.array("actions", DDL_ACTIONS_MAX)?;
        if listed.is_empty() {
            return Err(DdlError::new("actions", "there must be at least one"));
        }
        let mut actions = BTreeMap::new();
        for (index, value) in listed.into_iter().enumerate() {
            let (name, action) = action(index, value)?;
            let at = format!("actions[{name}]");
            if actions.insert(name, action).is_some() {
                return Err(DdlError::new(at, "declared twice"));
            }
        }
        top.end()?;
        Ok(Self { metadata, actions })
    }
}

fn metadata(value: Value) -> Result<Metadata, DdlError> {
    let mut fields = Fields::of("metadata", value)?;
    let name = fields.text("name")?;
    let name: AgentName =
        name.parse().map_err(|error: crate::NameError| fields.error("name", error.to_string()))?;
    let version = fields.text("version")?;
    if !version.starts_with(|c: char| c.is_ascii_digit()) || !version.contains('.') {
        return Err(fields.error("version", "must look like 1.2.0"));
    }
    let seconds = fields.count("timeout")?.unwrap_or(0);
    let timeout = Span::from_secs(seconds as u64);
    if seconds == 0 || timeout > RUN_LIMIT_MAX {
        let most = RUN_LIMIT_MAX.as_ms() / 1000;
        return Err(fields.error("timeout", format!("must be 1 to {most} seconds")));
    }
    // Keys of the ancestor that change nothing here.
    for key in ["provider", "service", "requires", "usage"] {
        fields.skip(key);
    }
    let read = Metadata {
        name,
        description: fields.text("description")?,
        author: fields.text("author")?,
        license: fields.text("license")?,
        version,
        url: fields.text("url")?,
        timeout,
    };
    fields.end()?;
    Ok(read)
}

fn action(index: usize, value: Value) -> Result<(ActionName, Action), DdlError> {
    let mut fields = Fields::of(&format!("actions[{index}]"), value)?;
    let name = fields.text("action")?;
    let name: ActionName = name
        .parse()
        .map_err(|error: crate::NameError| fields.error("action", error.to_string()))?;
    fields.at = format!("actions[{name}]");
    let display = [("ok", Display::Ok), ("failed", Display::Failed), ("always", Display::Always)];
    let effect = [("read", Effect::Read), ("change", Effect::Change)];
    let read = Action {
        description: fields.text("description")?,
        display: fields.choice("display", &display)?.unwrap_or(Display::Failed),
        effect: fields.choice("effect", &effect)?.unwrap_or(Effect::Change),
        item: fields.text_if("item")?,
        input: fields.each("input", input)?,
        output: fields.each("output", output)?,
        aggregate: aggregates(&mut fields)?,
    };
    if let Some(item) = &read.item
        && !read.input.contains_key(item)
    {
        return Err(fields.error("item", format!("{item:?} is none of the inputs")));
    }
    for aggregate in &read.aggregate {
        if !read.output.contains_key(&aggregate.output) {
            let what = format!("{:?} is none of the outputs", aggregate.output);
            return Err(fields.error("aggregate", what));
        }
    }
    fields.end()?;
    Ok((name, read))
}

fn kinds() -> [(&'static str, Type); 8] {
    Type::ALL.map(|(kind, word)| (word, kind))
}

fn input(mut fields: Fields) -> Result<Input, DdlError> {
    let Some(kind) = fields.choice("type", &kinds())? else {
        return Err(fields.error("type", "missing"));
    };
    let validation = match fields.text_if("validation")? {
        Some(text) if kind == Type::String => {
            Validator::read(&text).map_err(|what| fields.error("validation", what))?
        }
        None if kind == Type::String => {
            return Err(fields.error("validation", "missing; \".*\" takes everything"));
        }
        // The ancestor's generator writes the key for other types too and ignores it.
        Some(_) | None => Validator::Typecheck,
    };
    let maxlength = fields.count("maxlength")?;
    if kind == Type::String && maxlength.is_none() {
        return Err(fields.error("maxlength", "missing; 0 sets no limit"));
    }
    let list = fields.array("list", DDL_FIELDS_MAX)?;
    if kind == Type::List && list.is_empty() {
        return Err(fields.error("list", "missing; it names the values that are taken"));
    }
    let read = Input {
        prompt: fields.text("prompt")?,
        description: fields.text("description")?,
        kind,
        optional: fields.flag("optional")?.unwrap_or(false),
        default: fields.any("default"),
        validation,
        maxlength: maxlength.unwrap_or(0),
        list,
    };
    if let Some(default) = &read.default {
        read.check(default).map_err(|fault| fields.error("default", fault.to_string()))?;
    }
    fields.end()?;
    Ok(read)
}

fn output(mut fields: Fields) -> Result<Output, DdlError> {
    let read = Output {
        description: fields.text("description")?,
        display_as: fields.text("display_as")?,
        kind: fields.choice("type", &kinds())?,
        default: fields.any("default"),
        group: fields.flag("group")?.unwrap_or(false),
    };
    fields.end()?;
    Ok(read)
}

fn aggregates(action: &mut Fields) -> Result<Vec<Aggregate>, DdlError> {
    let mut all = Vec::new();
    for (index, value) in action.array("aggregate", DDL_FIELDS_MAX)?.into_iter().enumerate() {
        let mut fields = Fields::of(&action.path(&format!("aggregate[{index}]")), value)?;
        let function = match fields.text("function")?.as_str() {
            "summary" => Function::Summary,
            "boolean_summary" => Function::BooleanSummary,
            "average" => Function::Average,
            "sum" => Function::Sum,
            "chart" => Function::Chart,
            _ => Function::Foreign,
        };
        let mut args = fields.array("args", 2)?.into_iter();
        let Some(Value::String(output)) = args.next() else {
            return Err(fields.error("args", "must begin with the name of an output"));
        };
        let (format, labels) = match args.next() {
            Some(options) => options_of(&fields.path("args[1]"), options)?,
            None => (None, BTreeMap::new()),
        };
        fields.end()?;
        all.push(Aggregate { function, output, format, labels });
    }
    Ok(all)
}

type Options = (Option<String>, BTreeMap<String, String>);

fn options_of(at: &str, value: Value) -> Result<Options, DdlError> {
    let mut fields = Fields::of(at, value)?;
    let format = fields.text_if("format")?;
    let mut labels = BTreeMap::new();
    if let Some(Value::Object(given)) = fields.any("labels") {
        for (value, label) in given {
            let Value::String(label) = label else {
                return Err(fields.error("labels", format!("the label of {value:?} must be text")));
            };
            labels.insert(value, label);
        }
    }
    // Options of functions that a plugin brings along are theirs.
    Ok((format, labels))
}

/// A JSON object from which known keys are taken; what is left at the end is unknown.
struct Fields {
    at: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    fn of(at: &str, value: Value) -> Result<Self, DdlError> {
        match value {
            Value::Object(left) => Ok(Self { at: at.to_owned(), left, known: Vec::new() }),
            _ if at.is_empty() => Err(DdlError::new("declaration", "must be a JSON object")),
            _ => Err(DdlError::new(at, "must be a JSON object")),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    fn error(&self, key: &str, what: impl Into<String>) -> DdlError {
        DdlError::new(self.path(key), what)
    }

    /// Takes a key; `null` counts as absent, as in what Go programs write.
    fn any(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.left.remove(key).filter(|value| !value.is_null())
    }

    fn skip(&mut self, key: &'static str) {
        self.any(key);
    }

    fn must(&mut self, key: &'static str) -> Result<Value, DdlError> {
        self.any(key).ok_or_else(|| self.error(key, "missing"))
    }

    fn text(&mut self, key: &'static str) -> Result<String, DdlError> {
        self.text_if(key)?.ok_or_else(|| self.error(key, "missing"))
    }

    fn text_if(&mut self, key: &'static str) -> Result<Option<String>, DdlError> {
        match self.any(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() > DDL_TEXT_BYTES_MAX => {
                Err(self.error(key, format!("longer than {DDL_TEXT_BYTES_MAX} bytes")))
            }
            // Descriptions end on terminals: they must not carry escape sequences there.
            Some(Value::String(text))
                if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') =>
            {
                Err(self.error(key, "holds control characters"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(key, "must be text")),
        }
    }

    fn flag(&mut self, key: &'static str) -> Result<Option<bool>, DdlError> {
        match self.any(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.error(key, "must be true or false")),
        }
    }

    fn count(&mut self, key: &'static str) -> Result<Option<usize>, DdlError> {
        let Some(value) = self.any(key) else { return Ok(None) };
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.map(Some).ok_or_else(|| self.error(key, "must be a whole number, 0 or more"))
    }

    fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, DdlError> {
        let Some(word) = self.text_if(key)? else { return Ok(None) };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
            return Ok(Some(*choice));
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        Err(self.error(key, format!("{word:?} is not one of {}", names.join(", "))))
    }

    fn array(&mut self, key: &'static str, most: usize) -> Result<Vec<Value>, DdlError> {
        match self.any(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() > most => {
                Err(self.error(key, format!("more than {most}")))
            }
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.error(key, "must be an array")),
        }
    }

    /// Reads an object of objects.
    fn each<T>(
        &mut self,
        key: &'static str,
        read: fn(Self) -> Result<T, DdlError>,
    ) -> Result<BTreeMap<String, T>, DdlError> {
        let at = self.path(key);
        let entries = match self.any(key) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(entries)) => entries,
            Some(_) => return Err(DdlError::new(at, "must be a JSON object")),
        };
        if entries.len() > DDL_FIELDS_MAX {
            return Err(DdlError::new(at, format!("more than {DDL_FIELDS_MAX}")));
        }
        let mut all = BTreeMap::new();
        for (name, value) in entries {
            let good = (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if !good {
                let what = format!("the name {name:?} must be 1 to 64 of a-z A-Z 0-9 _ -");
                return Err(DdlError::new(at, what));
            }
            let fields = Self::of(&format!("{at}.{name}"), value)?;
            all.insert(name, read(fields)?);
        }
        Ok(all)
    }

    fn end(self) -> Result<(), DdlError> {
        let Some(key) = self.left.keys().next() else { return Ok(()) };
        let what = match nearest(key, self.known.iter().copied()) {
            Some(near) => format!("unknown key; nearest: {near}"),
            None => format!("unknown key; there are {}", self.known.join(", ")),
        };
        Err(self.error(key, what))
    }
}
