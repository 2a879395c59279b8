//! What commands write with `--json` and `--jsonl` has the form that `mco schema` prints.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::kit::{Lab, mco};

/// Whether a value has a schema's form, as far as our schemas say anything.
fn check(schema: &Value, value: &Value, place: &str) {
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{place}");
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value} is none of {words:?}");
    }
    let types: Vec<&Value> = match &schema["type"] {
        Value::Null => Vec::new(),
        Value::Array(types) => types.iter().collect(),
        one => vec![one],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.is_empty() || types.iter().any(|known| **known == kind), "{place}: {value}");
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| {
                check(&schema["items"], item, &format!("{place}[{at}]"));
            });
        }
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{place}: no {name}");
            }
            for (name, field) in fields {
                let place = format!("{place}.{name}");
                match (schema["properties"].get(name), &schema["additionalProperties"]) {
                    (Some(schema), _) => check(schema, field, &place),
                    (None, Value::Bool(false)) => panic!("{place} is not declared"),
                    (None, schema) => check(schema, field, &place),
                }
            }
        }
        _ => {}
    }
}

fn schema(form: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    let output = mco(home.path()).args(["schema", form]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every line that a command writes.
fn written(lab: &Lab, line: &str) -> Vec<Value> {
    let output = lab.mco(line).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_form_is_as_its_schema_says() {
    let lab = Lab::up(3);
    let (replies, reply) = (schema("replies"), schema("reply"));
    let all = |schema: &Value, line: &str| {
        let written = written(&lab, line);
        assert!(!written.is_empty(), "{line}");
        written.iter().for_each(|value| check(schema, value, line));
    };
    all(&replies, "ping --json");
    all(&replies, "package openssl status --json");
    all(&replies, "service nosuch status --json");
    all(&replies, "service nginx restart --json --yes -I web1.example.com -I nosuch.example.com");
    all(&replies, "can service.nosuch --json");
    all(&replies, "ping --json -F role=nosuch");
    all(&schema("find"), "find --json");
    all(&schema("find"), "find --json -I nosuch.example.com");
    all(&schema("doctor"), "doctor --json");
    all(&schema("plugins"), "plugin doc --json");
    let kept = written(&lab, "job list --json").remove(0);
    check(&schema("jobs"), &kept, "job list");
    let job = kept["jobs"][0]["job"].as_str().unwrap();
    all(&replies, &format!("job show {job} --json"));
    let mut lines = written(&lab, "ping --jsonl");
    check(&schema("tally"), &lines.pop().unwrap(), "the last line");
    assert_eq!(lines.len(), 4);
    lines.iter().for_each(|line| check(&reply, line, "a line"));
    lab.signal_nodes(Signal::STOP);
    all(&replies, "service nginx restart --json --yes -t 1 -W hagroup=a");
}
