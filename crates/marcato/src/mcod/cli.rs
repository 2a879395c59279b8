//! The grammar of `mcod`: each flag is declared here once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The daemons of Marcato.
#[derive(Debug, Parser)]
#[command(name = "mcod", version, disable_help_subcommand = true, propagate_version = true)]
#[command(after_help = crate::words::help::mcod())]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A managed host: verifies orders, decides, runs, answers
    Node(NodeArgs),
    /// The fleet's broker and registry
    Hub(HubArgs),
    /// Look for what keeps this host's node from its work, and say what to do
    Doctor(DoctorArgs),
    /// What a node says of this host
    Facts(FactsArgs),
    /// Run one prepared change (started by the node)
    #[command(hide = true)]
    Run(RunArgs),
}

/// Where a daemon's files are.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// The folder of the configuration
    #[arg(long, value_name = "DIR", default_value = "/etc/marcato")]
    pub config: PathBuf,
    /// The folder of keys and state
    #[arg(long, value_name = "DIR", default_value = "/var/lib/marcato")]
    pub state: PathBuf,
}

/// `mcod node`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcod node --check\n  \
    mcod node --print-request > web1.request\n  \
    mcod node --install-certificate web1.certificate\n\n\
    Files: node.toml, allowed_signers, policy.d/*.policy and facts.yaml in the configuration's \
    folder; SIGHUP reads them again.")]
pub struct NodeArgs {
    /// Where the files are.
    #[command(flatten)]
    pub places: Places,
    /// Read all files and say what is wrong with them, then end: 0 if nothing is, else 78
    #[arg(long)]
    pub check: bool,
    /// Make the keys if they are missing, print the request for a certificate, then end
    #[arg(long, conflicts_with = "check")]
    pub print_request: bool,
    /// Read the certificate that the fleet's authority signed, check it and keep it, then end; - is
    /// standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "print_request"])]
    pub install_certificate: Option<PathBuf>,
}

/// `mcod hub`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcod hub --check\n  mcod hub --config /etc/marcato\n\n\
    File: hub.toml in the configuration's folder.")]
pub struct HubArgs {
    /// Where the files are.
    #[command(flatten)]
    pub places: Places,
    /// Read all files and say what is wrong with them, then end: 0 if nothing is, else 78
    #[arg(long)]
    pub check: bool,
}

/// `mcod facts`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcod facts\n  mcod facts os.release.full\n  mcod facts --json\n\n\
    Executables among external facts, and facter where it is installed, are run as the node runs \
    them. Private facts are left out. Without node.toml everything is where it usually is."
)]
pub struct FactsArgs {
    /// The names of facts, such as os.name; all without any
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where its files are
    #[command(flatten)]
    pub places: Places,
}

/// `mcod run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The folder of the prepared change
    pub dir: PathBuf,
    /// The folder of external agents
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
    /// The folder of a lab's simulated packages and services
    #[arg(long, value_name = "DIR", hide = true)]
    pub lab: Option<PathBuf>,
}

/// `mcod doctor`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcod doctor\n  ssh web1 mcod doctor --json")]
pub struct DoctorArgs {
    /// Where the files are.
    #[command(flatten)]
    pub places: Places,
    /// One JSON object on standard output, in a stable form
    #[arg(long)]
    pub json: bool,
}
