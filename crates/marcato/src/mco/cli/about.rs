//! The commands about the product itself: what may be done, what agents declare, what is wrong.

use clap::{Args, Subcommand};
use marcato_core::{ActionName, AgentName};

use super::{FleetArgs, OrderArgs, OutputArgs};
use crate::words::schema::Form;

/// `mco can AGENT.ACTION`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mco can package.update -I web1.example.com\n  \
    mco can service.restart -W hagroup=c")]
pub struct Can {
    /// The agent and the action, such as package.update
    #[arg(value_name = "AGENT.ACTION", value_parser = action)]
    pub what: (AgentName, ActionName),
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

fn action(text: &str) -> Result<(AgentName, ActionName), String> {
    let (agent, action) =
        text.split_once('.').ok_or("write AGENT.ACTION, such as package.update")?;
    let wrong = |error: marcato_core::NameError| error.to_string();
    Ok((agent.parse().map_err(wrong)?, action.parse().map_err(wrong)?))
}

/// `mco plugin …`
#[derive(Debug, Args)]
pub struct Plugin {
    /// What to do with agents' declarations.
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// What can be done with the declarations of agents.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show which agents are declared here, and what they declare
    #[command(after_help = "Examples:\n  mco plugin doc\n  mco plugin doc service\n  \
        mco plugin doc service restart\n  mco plugin doc package --json | jq .agents.package.actions")]
    Doc {
        /// The agent
        agent: Option<AgentName>,
        /// One of its actions
        action: Option<ActionName>,
        /// The declaration as JSON
        #[arg(long)]
        json: bool,
        /// The fleet, whose configuration may name a folder of declarations.
        #[command(flatten)]
        fleet: FleetArgs,
    },
}

/// `mco doctor`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mco doctor\n  mco doctor --json | jq -r '.checks[]|select(.state!=\"ok\").text'"
)]
pub struct Doctor {
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `mco schema FORM`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mco schema replies > replies.schema.json")]
pub struct Schema {
    /// The form
    pub form: Form,
}
