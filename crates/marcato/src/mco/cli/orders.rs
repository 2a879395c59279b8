//! The commands that ask nodes, or have them do something.

use clap::{Args, ValueEnum};
use marcato_core::{ActionName, AgentName};

use super::{FilterArgs, FleetArgs, NodesArgs, OrderArgs, OutputArgs};

/// `mco ping`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mco ping\n  mco ping -W hagroup=c")]
pub struct Ping {
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// `mco find`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mco find -W \"operatingsystem=Debian operatingsystemrelease=8.5\"\n  \
    mco find -F hagroup=c | xargs -n1 echo"
)]
pub struct Find {
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The filter.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Which of those.
    #[command(flatten)]
    pub nodes: NodesArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `mco rpc AGENT ACTION [NAME=VALUE …]`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mco rpc rpcutil ping\n  \
    mco rpc rpcutil get_fact fact=operatingsystem -W hagroup=c")]
pub struct Rpc {
    /// The agent
    pub agent: AgentName,
    /// The action
    pub action: ActionName,
    /// The action's inputs
    #[arg(value_name = "NAME=VALUE", value_parser = input)]
    pub inputs: Vec<(String, String)>,
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "an input is NAME=VALUE, such as fact=hostname".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `mco package NAME status`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mco package openssl status")]
pub struct Package {
    /// The package
    pub name: String,
    /// What to do with it
    pub action: PackageAction,
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// What can be done with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PackageAction {
    /// Which version is installed
    Status,
}

/// `mco service NAME status|restart`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mco service nginx status\n  mco service nginx restart -W hagroup=c"
)]
pub struct Service {
    /// The service
    pub name: String,
    /// What to do with it
    pub action: ServiceAction,
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// What can be done with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceAction {
    /// Whether it runs
    Status,
    /// Stop it and start it again
    Restart,
}
