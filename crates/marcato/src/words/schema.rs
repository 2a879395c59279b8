//! The forms of `--json` and `--jsonl` as JSON Schema (2020-12). What commands really write is checked
//! against them by a test; words come from the tables that the programs themselves use.

use clap::ValueEnum;
use marcato_core::{EndState, Exit, Reason};
use serde_json::{Map, Value, json};

use super::findings;
use super::json::{Line, SCHEMA, SCHEMA_LAST};
use crate::mco::{find, job, plugin};

/// A form that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// What a command that sends an order writes with --json
    Replies,
    /// A line for one node, with --jsonl
    Reply,
    /// The last line with --jsonl
    Tally,
    /// What mco job list writes with --json; mco job show writes replies
    Jobs,
    /// What mco find writes with --json
    Find,
    /// What mco doctor and mcod doctor write with --json
    Doctor,
    /// What mco plugin doc writes with --json
    Plugins,
}

/// A field: its name, its schema, what it is, and whether it is always there.
type Field = (&'static str, Value, &'static str, bool);

/// The schema of a form.
#[must_use]
pub fn of(form: Form) -> Value {
    let (name, about, fields) = match form {
        Form::Replies => (SCHEMA, "The answer of a command that sends an order", replies()),
        Form::Reply => (Line::SCHEMA, "What became of an order on one node", answer()),
        Form::Tally => (SCHEMA_LAST, "The last of the lines: the whole", tally()),
        Form::Jobs => (job::SCHEMA, "The jobs that are kept", jobs()),
        Form::Find => (find::SCHEMA, "The nodes that match", found()),
        Form::Doctor => (findings::SCHEMA, "What a doctor found", findings()),
        Form::Plugins => (plugin::SCHEMA, "What agents declare", plugins()),
    };
    let version: Field = ("schema", json!({ "const": name }), "The version of this form", true);
    let mut schema = object(std::iter::once(version).chain(fields));
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = name.into();
    schema["description"] = about.into();
    schema
}

fn object(fields: impl IntoIterator<Item = Field>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, mut schema, about, is_there) in fields {
        schema["description"] = about.into();
        properties.insert(name.to_owned(), schema);
        if is_there {
            required.push(name);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn always(name: &'static str, schema: Value, about: &'static str) -> Field {
    (name, schema, about, true)
}

fn maybe(name: &'static str, schema: Value, about: &'static str) -> Field {
    (name, schema, about, false)
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn anything() -> Value {
    json!({})
}

fn null_or(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"].take(), "null"]);
    schema
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn exit() -> Value {
    json!({ "enum": Exit::ALL.map(Exit::code) })
}

fn reason() -> Value {
    json!({ "enum": Reason::ALL.iter().map(|reason| reason.code()).collect::<Vec<_>>() })
}

/// The words of a list, or nothing.
fn or_null(mut schema: Value) -> Value {
    if let Some(words) = schema["enum"].as_array_mut() {
        words.push(Value::Null);
    }
    schema
}

fn replies() -> Vec<Field> {
    let mut fields = tally();
    let each = "One element for each expected node";
    fields.push(always("replies", list(object(answer())), each));
    fields
}

/// What is said of the whole, whether or not each node has a line of its own.
fn tally() -> Vec<Field> {
    let refusal = object([
        always("node", null_or(text()), "In whose name it came"),
        always("why", text(), "Why it does not count"),
        always("text", text(), "The first one's fault in words"),
        always("count", number(), "How many there were"),
    ]);
    let stopped = object([
        always("why", json!({ "enum": ["node", "time"] }), "A node, or the time that was left"),
        maybe("node", text(), "The node on which it went wrong"),
    ]);
    let mut fields = listed();
    fields.extend([
        always("job", null_or(text()), "The job's id; null where nothing was kept"),
        always("expected", null_or(number()), "How many nodes; null where no hub said so"),
        always("took_ms", number(), "How long the command took"),
        always("counts", map(number()), "How many expected nodes ended how"),
        always("unexpected", list(object(answer())), "Nodes that answered and were not expected"),
        always("not_capable", list(text()), "Nodes that match but lack the agent"),
        always("read_only", list(text()), "Nodes that take no changes"),
        always("gone", list(text()), "Nodes unheard for seven days"),
        always("refused", list(refusal), "Answers that did not count"),
        maybe("stopped", stopped, "Why it was not sent to all nodes"),
    ]);
    fields
}

/// What every answer says of the fleet.
fn listed() -> Vec<Field> {
    let unknown = object([
        always("name", text(), "The name"),
        always("nearest", null_or(text()), "The node that is most likely meant"),
    ]);
    vec![
        always("fleet", text(), "The fleet"),
        always("exit", exit(), "The exit code"),
        always("complete", flag(), "Whether a hub that knows every node said which there are"),
        always("hub_since", null_or(time()), "Since when the hub gathers registrations"),
        always("vanished", list(text()), "Known nodes that the hub did not name"),
        always("unknown_names", list(unknown), "Names typed in full that nobody is called"),
    ]
}

/// What became of an order on one node.
fn answer() -> Vec<Field> {
    let states: Vec<Value> = EndState::ALL.iter().map(|state| json!(state)).collect();
    let code = "0 ok, 1 failed or refused, 5 other; null where no answer came";
    vec![
        always("sender", text(), "The node"),
        always("agent", text(), "The agent"),
        always("action", text(), "The action"),
        always("statuscode", json!({ "enum": [0, 1, 5, null] }), code),
        always("statusmsg", text(), "OK, or what the node says of it"),
        always("data", map(anything()), "The outputs"),
        always("state", json!({ "enum": states }), "The end state"),
        always("reason", or_null(reason()), "Why"),
        always(
            "changed",
            json!({ "enum": [true, false, "unknown"] }),
            "Whether the host was changed",
        ),
        maybe("started", time(), "When the action began, by the node's clock"),
        maybe("finished", time(), "When it ended, by the node's clock"),
        maybe("down_since", time(), "Since when the node is not connected"),
        maybe("read_only", flag(), "Whether the node takes no changes"),
        maybe("may_start_until", time(), "Until when a silent node may still start"),
        maybe("truncated", flag(), "Whether outputs were left out because they exceed the limit"),
    ]
}

fn jobs() -> Vec<Field> {
    let job = object([
        always("job", text(), "The job's id"),
        always("begun", time(), "When it was begun"),
        always("fleet", text(), "The fleet"),
        always("caller", text(), "Who signed"),
        always("command", list(text()), "The command, a word each"),
        always("again", null_or(text()), "The job of which it repeats a part"),
        always("exit", or_null(exit()), "The exit code; null where the command has none"),
        always("running", flag(), "Whether the command still runs"),
    ]);
    vec![always("jobs", list(job), "The jobs, as mco job list orders them")]
}

fn found() -> Vec<Field> {
    let node = object([
        always("node", text(), "Its name"),
        maybe("down_since", time(), "Since when it is not connected"),
    ]);
    let left_out = object([
        always("node", text(), "Its name"),
        always("reason", reason(), "Why"),
        always("text", text(), "What it said"),
    ]);
    let mut fields = listed();
    fields.extend([
        always("nodes", list(node), "The nodes that match"),
        always("left_out", list(left_out), "Nodes that would not say whether they match"),
        maybe("missing", list(text()), "Names of a list that are not among the nodes"),
    ]);
    fields
}

fn findings() -> Vec<Field> {
    let check = object([
        always("check", text(), "What was looked at"),
        always("state", json!({ "enum": ["ok", "warn", "fail"] }), "How it is"),
        always("text", text(), "What was found"),
        always("hints", list(text()), "What to do"),
    ]);
    vec![
        always("exit", exit(), "The exit code"),
        always("checks", list(check), "What was looked at, in this order"),
    ]
}

fn plugins() -> Vec<Field> {
    let input = object([
        always("description", text(), "What it is"),
        always("type", text(), "Its type"),
        always("optional", flag(), "Whether it may be left out"),
        always("default", anything(), "What holds where it is left out"),
        always("list", list(anything()), "The values of a list"),
        always("maxlength", number(), "The longest text, in characters"),
    ]);
    let output = object([
        always("description", text(), "What it is"),
        always("type", null_or(text()), "Its type"),
        always("group", flag(), "Whether reports group nodes by it"),
    ]);
    let action = object([
        always("description", text(), "What it does"),
        always("effect", json!({ "enum": ["read", "change"] }), "What it does to the host"),
        always("input", map(input), "What it takes"),
        always("output", map(output), "What it answers"),
    ]);
    let agent = object([
        always("description", text(), "What it is for"),
        always("version", text(), "Its version"),
        always("author", text(), "Who wrote it"),
        always("license", text(), "Its licence"),
        always("url", text(), "Where it comes from"),
        always("timeout_s", number(), "After how many seconds it ends at the latest"),
        always("actions", map(action), "Its actions by name"),
    ]);
    vec![always("agents", map(agent), "The agents by name")]
}
