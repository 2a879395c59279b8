//! What each command that sends an order asks for.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args as _, CommandFactory as _, FromArgMatches as _};
use marcato_agent::policy;
use marcato_core::{Exit, nearest};

use super::cli::{
    Can, Cli, Command, Facts, FilterArgs, Inventory, OrderArgs, Package, Ping, Rpc, Service,
};
use super::declared;
use super::grammar::Typed;
use super::order::Intent;
use crate::words::group::escape;
use crate::words::tally::Look;
use crate::words::{self, Failure};
use crate::{config, environment};

/// What a command asks for that sends an order; the command itself where it is another.
///
/// # Errors
/// The command, or what is wrong with it, told already.
pub fn order(command: Command) -> Result<Result<Intent, Failure>, Other> {
    Ok(match command {
        Command::Ping(args) => ping(args),
        Command::Rpc(args) => rpc(args),
        Command::Package(args) => package(args),
        Command::Service(args) => service(args),
        Command::Facts(args) => facts(args),
        Command::Inventory(args) => inventory(args),
        Command::Can(args) => can(args),
        Command::Agent(words) => rpc(agent(words).map_err(Other::Told)?),
        command => return Err(Other::Command(Box::new(command))),
    })
}

/// What is no command that sends an order.
#[derive(Debug)]
pub enum Other {
    /// Another command.
    Command(Box<Command>),
    /// None; it was said why.
    Told(Exit),
}

/// `mco ping`
fn ping(args: Ping) -> Result<Intent, Failure> {
    let look = Look::Times { graph: args.graph };
    Ok(Intent { look, ..intent(["rpcutil", "ping"], Vec::new(), args.order)? })
}

/// `mco facts`
fn facts(args: Facts) -> Result<Intent, Failure> {
    let words = vec![("fact".to_owned(), args.fact)];
    Ok(Intent { look: Look::Values, ..intent(["rpcutil", "get_fact"], words, args.order)? })
}

/// `mco inventory`
fn inventory(args: Inventory) -> Result<Intent, Failure> {
    let Inventory { node, fleet, output, timeout } = args;
    let filter = FilterArgs { identities: vec![node.to_string()], ..FilterArgs::default() };
    let order = OrderArgs { fleet, filter, output, timeout, ..OrderArgs::default() };
    Ok(Intent { look: Look::Inventory, ..intent(["rpcutil", "inventory"], Vec::new(), order)? })
}

/// `mco can`: asked of the nodes that have the agent; the others are named.
fn can(mut args: Can) -> Result<Intent, Failure> {
    let (agent, action) = args.what;
    args.order.filter.agents.push(agent.to_string());
    let words = [(policy::AGENT, agent.to_string()), (policy::ACTION, action.to_string())];
    let words = words.map(|(name, value)| (name.to_owned(), value)).into();
    intent([policy::NAME, policy::CAN], words, args.order)
}

/// `mco rpc`
fn rpc(args: Rpc) -> Result<Intent, Failure> {
    let what = [args.agent.as_str(), args.action.as_str()];
    intent(what, args.inputs, args.order)
}

/// `mco package`
fn package(mut args: Package) -> Result<Intent, Failure> {
    item("package", args.typed(), args.order)
}

/// `mco service`
fn service(mut args: Service) -> Result<Intent, Failure> {
    item("service", args.typed()?, args.order)
}

/// A command whose words are a name and an action.
fn item(agent: &str, typed: Typed, order: OrderArgs) -> Result<Intent, Failure> {
    // It ships with the program, so no folder is asked.
    let ddl = declared::agent(&name(agent)?, Path::new(""))?;
    let (action, inputs) = typed.read(&ddl)?;
    Ok(Intent { ddl: Some(ddl), ..intent([agent, action.as_str()], inputs, order)? })
}

/// `mco AGENT ACTION …`: what `mco rpc` would be told.
///
/// # Errors
/// Told already: no agent is called so, or the rest is wrong.
fn agent(words: Vec<String>) -> Result<Rpc, Exit> {
    let called = words.first().map_or("", String::as_str);
    let agents = declared::names(&config::agents(config_of(&words).as_deref()));
    if !agents.iter().any(|agent| agent == called) {
        return Err(words::tell(&unknown(called, &agents)));
    }
    let command = Rpc::augment_args(clap::Command::new(RPC));
    let matches = command.try_get_matches_from(std::iter::once(RPC.to_owned()).chain(words));
    matches
        .and_then(|matches| Rpc::from_arg_matches(&matches))
        .map_err(|error| words::usage(&error))
}

const RPC: &str = "mco rpc";

/// The configuration that is named among these words or by the environment.
fn config_of(words: &[String]) -> Option<PathBuf> {
    let behind = |(at, word): (usize, &String)| {
        match word.strip_prefix("--config")? {
            "" => words.get(at + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        }
        .map(PathBuf::from)
    };
    let named = words.iter().enumerate().find_map(behind);
    named.or_else(|| std::env::var_os(environment::CONFIG.name).map(PathBuf::from))
}

fn unknown(called: &str, agents: &[String]) -> Failure {
    let command = Cli::command();
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let known = commands.map(clap::Command::get_name).chain(agents.iter().map(String::as_str));
    let nearest = match nearest::nearest(called, known) {
        Some(near) => format!("; nearest: {near}"),
        None => String::new(),
    };
    let text = format!("no command and no agent is called \"{}\"{nearest}", escape(called));
    Failure::new(Exit::Usage, text).hint("mco --help")
}

fn name<T: FromStr<Err: Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::new(Exit::Usage, error))
}

fn intent(
    [agent, action]: [&str; 2],
    words: Vec<(String, String)>,
    order: OrderArgs,
) -> Result<Intent, Failure> {
    // The names were checked by the grammar, or are this file's own.
    let (agent, action) = (name(agent)?, name(action)?);
    Ok(Intent { agent, action, ddl: None, words, order, look: Look::Outputs, earlier: None })
}
