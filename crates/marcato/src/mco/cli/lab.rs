//! `mco lab`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `mco lab …`
#[derive(Debug, Args)]
pub struct Lab {
    /// What to do with the lab.
    #[command(subcommand)]
    pub command: LabCommand,
}

/// The commands of the lab.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Bring a fleet up, and return when all nodes have registered
    #[command(after_help = "Examples:\n  mco lab up\n  mco lab up --nodes 200 --dir /var/tmp/lab")]
    Up {
        /// Where it lies.
        #[command(flatten)]
        dir: LabDir,
        /// How many nodes, this machine not counted
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50_000))]
        nodes: u32,
    },
    /// Print what a shell needs to use the fleet
    #[command(after_help = "Example:\n  eval \"$(mco lab env)\"")]
    Env(LabDir),
    /// Show the nodes and where their logs are
    #[command(after_help = "Example:\n  mco lab status")]
    Status(LabDir),
    /// End the fleet; its files stay
    #[command(after_help = "Example:\n  mco lab down --purge")]
    Down {
        /// Where it lies.
        #[command(flatten)]
        dir: LabDir,
        /// Remove what the lab made as well
        #[arg(long)]
        purge: bool,
    },
    /// Let something go wrong with one simulated host
    #[command(
        after_help = "Examples:\n  mco lab break web1 held\n  mco lab break db1.example.com down"
    )]
    Break {
        /// Where the lab lies.
        #[command(flatten)]
        dir: LabDir,
        /// The host, by its name or what stands before the first dot
        node: String,
        /// What goes wrong
        #[arg(value_parser = crate::lab::faults())]
        fault: String,
    },
    /// Mend what was broken with `mco lab break`
    #[command(after_help = "Examples:\n  mco lab mend web1\n  mco lab mend web1 held")]
    Mend {
        /// Where the lab lies.
        #[command(flatten)]
        dir: LabDir,
        /// The host, by its name or what stands before the first dot
        node: String,
        /// What is mended; everything where nothing is said
        #[arg(value_parser = crate::lab::faults())]
        fault: Option<String>,
    },
    /// Show the main job on a fleet of 20 nodes, from beginning to end
    #[command(after_help = "Example:\n  mco lab demo")]
    Demo(LabDir),
    /// Become the lab's hub (started by `up`)
    #[command(hide = true)]
    Hub(LabDir),
    /// Run some of the lab's nodes (started by `up`)
    #[command(hide = true)]
    Nodes {
        /// Where it lies.
        #[command(flatten)]
        dir: LabDir,
        /// The first node, counted from 0
        #[arg(long)]
        first: usize,
        /// How many nodes
        #[arg(long)]
        count: usize,
    },
}

/// Where a lab lies.
#[derive(Debug, Clone, Args)]
pub struct LabDir {
    /// The lab's folder [default: marcato/lab in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
