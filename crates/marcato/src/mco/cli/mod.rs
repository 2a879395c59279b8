//! The grammar of `mco`: each flag, argument and environment variable is declared here once.

mod about;
mod authority;
mod complete;
mod filter;
mod flags;
mod items;
mod job;
mod lab;
mod orders;
mod pace;

use clap::{Parser, Subcommand};

pub use self::about::{Can, Doctor, Plugin, PluginCommand, Schema};
pub use self::authority::{Authority, AuthorityCommand};
pub use self::complete::{Complete, Completion, Shell};
pub use self::filter::{FilterCommand, FilterCommands, HostArgs};
pub use self::flags::{Color, FilterArgs, FleetArgs, NodesArgs, OrderArgs, OutputArgs, ReportArgs};
pub use self::items::{Package, Refresh, Service};
pub use self::job::{Again, Cancel, Follow, Job, JobCommand, List, Part, Show};
pub use self::lab::{Lab, LabCommand, LabDir};
pub use self::orders::{Facts, Find, Inventory, Ping, Rpc};
pub use self::pace::PaceArgs;

/// Run one signed action on every host that matches, and account for every one of them.
#[derive(Debug, Parser)]
#[command(name = "mco", version = crate::words::version(), disable_help_subcommand = true, propagate_version = true)]
#[command(after_help = crate::words::help::mco())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask every node that matches whether it answers
    Ping(Ping),
    /// Print the names of the nodes that match, from the registry alone
    Find(Find),
    /// Call any action of any agent
    Rpc(Rpc),
    /// Ask for packages, or change them
    Package(Package),
    /// Ask for services, or change them
    Service(Service),
    /// Show the values of a fact, and which nodes have each
    Facts(Facts),
    /// Show all that is known of a node
    Inventory(Inventory),
    /// Look at earlier jobs, wait for their ends, cancel them
    Job(Job),
    /// Run a job's command again, for some of its nodes
    Again(Again),
    /// A fleet on this machine, to try things on
    #[command(long_about = "A fleet on this machine, to try things on.\n\n\
    The hub and the nodes are the real programs over real connections: real keys, signatures, \
    policies and receipts. Only the packages and services of the nodes are simulated. This machine \
    itself joins as the node this-machine, with its true facts, read-only.\n\n\
    Everything lies in one folder; nothing outside it is touched.")]
    Lab(Lab),
    /// Sign nodes' certificates with the fleet's authority
    Authority(Authority),
    /// Try a filter without a fleet, or have it explained
    Filter(FilterCommands),
    /// Say by which rule of the nodes' policies an action may be run
    Can(Can),
    /// Show what agents declare
    Plugin(Plugin),
    /// Look for what keeps commands from working, and say what to do
    Doctor(Doctor),
    /// Print the JSON Schema of what a command writes with --json
    Schema(Schema),
    /// Print what a shell needs to complete commands, flags and the fleet's own names
    Completion(Completion),
    /// Complete a word (asked by the shell)
    #[command(name = "__complete", hide = true)]
    Complete(Complete),
    /// Any other agent: `mco AGENT ACTION` is short for `mco rpc AGENT ACTION`
    #[command(external_subcommand)]
    Agent(Vec<String>),
}
