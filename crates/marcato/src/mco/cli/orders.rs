//! The commands that ask nodes, or have them do something.

use clap::Args;
use marcato_core::{ActionName, AgentName, Identity, Span};

use super::flags::seconds;
use super::{FilterArgs, FleetArgs, NodesArgs, OrderArgs, OutputArgs};

/// `mco ping`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mco ping\n  mco ping -W hagroup=c --graph")]
pub struct Ping {
    /// Show how the times are spread
    #[arg(short, long)]
    pub graph: bool,
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

/// `mco facts FACT`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mco facts operatingsystemrelease\n  \
    mco facts os.release.major -W hagroup=c --each")]
pub struct Facts {
    /// The fact; os.release.major reaches into structured facts
    pub fact: String,
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// `mco inventory NODE`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mco inventory web1.example.com")]
pub struct Inventory {
    /// The node
    pub node: Identity,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Seconds to wait for the answer [default: 5]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, help_heading = "The order")]
    pub timeout: Option<Span>,
}
