//! `mco filter`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use marcato_core::{AgentName, Identity};

use super::FilterArgs;

/// `mco filter …`
#[derive(Debug, Args)]
pub struct FilterCommands {
    /// What to do with a filter.
    #[command(subcommand)]
    pub command: FilterCommand,
}

/// What can be done with a filter.
#[derive(Debug, Subcommand)]
pub enum FilterCommand {
    /// Say whether a filter matches a host of these facts, and why: exit 0 or 1
    #[command(after_help = "Examples:\n  \
        mco filter check -S 'hagroup=c and not role::db' --facts /etc/marcato/facts.yaml")]
    Check {
        /// The filter.
        #[command(flatten)]
        filter: FilterArgs,
        /// The host.
        #[command(flatten)]
        host: HostArgs,
    },
    /// Say in words what a filter means
    #[command(after_help = "Example:\n  mco filter explain -W 'operatingsystem=Debian common'")]
    Explain {
        /// The filter.
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Print the page on how filters are written
    #[command(after_help = "Example:\n  mco filter reference | less")]
    Reference,
}

/// A host that there need not be.
#[derive(Debug, Args)]
#[command(next_help_heading = "The host")]
pub struct HostArgs {
    /// Its facts, YAML or, where the name ends in .json, JSON
    #[arg(long = "facts", value_name = "FILE")]
    pub facts_file: PathBuf,
    /// Its classes, one a line
    #[arg(long = "classes", value_name = "FILE")]
    pub classes_file: Option<PathBuf>,
    /// Its name [default: the fact fqdn or hostname]
    #[arg(long, value_name = "NAME")]
    pub identity: Option<Identity>,
    /// Its agents
    #[arg(long = "agents", value_name = "A,B", value_delimiter = ',')]
    pub has_agents: Vec<AgentName>,
}
