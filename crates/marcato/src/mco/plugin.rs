//! `mco plugin doc`: what agents declare.

use std::fmt::Write as _;

use marcato_core::ddl::{Action, Ddl, Input, Output, Type};
use marcato_core::{ActionName, AgentName, Exit};
use serde_json::{Map, Value, json};

use super::cli::PluginCommand;
use super::declared;
use crate::words::group::escape;
use crate::words::{self, Failure};

/// The version of the JSON form.
pub const SCHEMA: &str = "marcato.plugins.v1";

/// Runs the command, and says how it ended.
pub fn main(command: PluginCommand) -> Exit {
    let PluginCommand::Doc { agent, action, json, fleet } = command;
    let folder = crate::config::agents(fleet.config.as_deref());
    let said = chosen(agent.as_ref(), action.as_ref(), &folder).map(|ddls| {
        if json {
            let agents: Map<String, Value> = ddls.iter().map(in_json).collect();
            format!("{}\n", json!({ "schema": SCHEMA, "agents": agents }))
        } else if agent.is_none() {
            list(&ddls)
        } else {
            ddls.iter().map(page).collect()
        }
    });
    match said {
        Ok(text) => words::answer(&text, Exit::Ok),
        Err(failure) => words::tell(&failure),
    }
}

/// The declarations that are asked for, with the action alone where one is named.
fn chosen(
    agent: Option<&AgentName>,
    action: Option<&ActionName>,
    folder: &std::path::Path,
) -> Result<Vec<Ddl>, Failure> {
    let Some(agent) = agent else {
        let names = declared::names(folder).into_iter().filter_map(|name| name.parse().ok());
        return names.map(|name| declared::agent(&name, folder)).collect();
    };
    let mut ddl = declared::agent(agent, folder)?;
    if let Some(action) = action {
        declared::action(&ddl, action)?;
        ddl.actions.retain(|name, _| name == action);
    }
    Ok(vec![ddl])
}

fn list(ddls: &[Ddl]) -> String {
    let mut text = String::new();
    for Ddl { metadata, actions } in ddls {
        let actions: Vec<&str> = actions.keys().map(ActionName::as_str).collect();
        let _ = writeln!(text, "{} {}", metadata.name, escape(&metadata.version));
        let _ = writeln!(text, "  {}", escape(&metadata.description));
        let _ = writeln!(text, "  {}", actions.join(" "));
    }
    text
}

fn page(ddl: &Ddl) -> String {
    let about = &ddl.metadata;
    let mut text = format!("{} {}\n", about.name, escape(&about.version));
    let _ = writeln!(text, "  {}", escape(&about.description));
    let _ = writeln!(text, "  ends after {} s at the latest", about.timeout.as_ms() / 1000);
    for (name, action) in &ddl.actions {
        let does = if action.changes() { "changes the host" } else { "only looks" };
        let _ = writeln!(text, "\n{} {name}: {does}", about.name);
        let _ = writeln!(text, "  {}", escape(&action.description));
        part("takes", action.input.iter().map(|(name, input)| (name, takes(input))), &mut text);
        part("answers", action.output.iter().map(|(name, out)| (name, gives(out))), &mut text);
    }
    text
}

fn part<'a>(title: &str, rows: impl Iterator<Item = (&'a String, String)>, text: &mut String) {
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    if !rows.is_empty() {
        let _ = writeln!(text, "  {title}");
    }
    for (name, about) in rows {
        let _ = writeln!(text, "    {:width$}  {}", escape(name), escape(&about));
    }
}

fn takes(input: &Input) -> String {
    let mut about = format!("{}; {}", input.description, input.kind.word());
    if !input.list.is_empty() {
        let list: Vec<String> = input.list.iter().map(value).collect();
        let _ = write!(about, " ({})", list.join(", "));
    }
    match (&input.default, input.optional) {
        (Some(default), _) => {
            let _ = write!(about, ", {} unless given", value(default));
        }
        (None, true) => about.push_str(", optional"),
        (None, false) => {}
    }
    about
}

fn gives(output: &Output) -> String {
    let kind = output.kind.map(|kind| format!("; {}", kind.word())).unwrap_or_default();
    format!("{}{kind}", output.description)
}

fn value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn in_json(ddl: &Ddl) -> (String, Value) {
    let about = &ddl.metadata;
    let actions: Map<String, Value> = ddl
        .actions
        .iter()
        .map(|(name, action)| (name.to_string(), action_in_json(action)))
        .collect();
    let agent = json!({
        "description": about.description,
        "version": about.version,
        "author": about.author,
        "license": about.license,
        "url": about.url,
        "timeout_s": about.timeout.as_ms() / 1000,
        "actions": actions,
    });
    (about.name.to_string(), agent)
}

fn action_in_json(action: &Action) -> Value {
    let input = |(name, input): (&String, &Input)| {
        let about = json!({
            "description": input.description,
            "type": input.kind.word(),
            "optional": input.optional,
            "default": input.default,
            "list": input.list,
            "maxlength": input.maxlength,
        });
        (name.clone(), about)
    };
    let output = |(name, output): (&String, &Output)| {
        let about = json!({
            "description": output.description,
            "type": output.kind.map(Type::word),
            "group": output.group,
        });
        (name.clone(), about)
    };
    json!({
        "description": action.description,
        "effect": action.effect.word(),
        "input": action.input.iter().map(input).collect::<Map<_, _>>(),
        "output": action.output.iter().map(output).collect::<Map<_, _>>(),
    })
}
