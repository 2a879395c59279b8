//! The commands that go back to an earlier one.

use clap::{Args, Subcommand};

use super::{FleetArgs, OutputArgs, ReportArgs};

/// `mco job …`
#[derive(Debug, Args)]
pub struct Job {
    /// What to do with a job.
    #[command(subcommand)]
    pub command: JobCommand,
}

/// What can be done with a job.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List the last jobs, the newest last
    #[command(after_help = "Examples:\n  mco job list\n  mco job list --all --json")]
    List(List),
    /// Show a job's report again, as it is known by now
    #[command(after_help = "Examples:\n  mco job show\n  mco job show K7PX --all")]
    Show(Show),
    /// Ask the nodes that had not answered, wait until all have ended, and show the report
    #[command(after_help = "Example:\n  mco job follow K7PX")]
    Follow(Follow),
    /// Cancel what of a job has not begun; what runs is left
    #[command(after_help = "Example:\n  mco job cancel K7PX")]
    Cancel(Cancel),
}

/// `mco job list`
#[derive(Debug, Args)]
pub struct List {
    /// All of them, not only the last
    #[arg(long)]
    pub all: bool,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `mco job show [ID]`
#[derive(Debug, Args)]
pub struct Show {
    /// The job [default: the last]
    pub id: Option<String>,
    /// Every group of nodes that answered alike, however many there are
    #[arg(long, help_heading = "Output", conflicts_with_all = ["each", "group"])]
    pub all: bool,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Its lines.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `mco job follow [ID]`
#[derive(Debug, Args)]
pub struct Follow {
    /// The job [default: the last]
    pub id: Option<String>,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Its lines.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `mco job cancel [ID]`
#[derive(Debug, Args)]
pub struct Cancel {
    /// The job [default: the last]
    pub id: Option<String>,
    /// Why it is cancelled; signed along and kept by the nodes
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Its lines.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `mco again [ID]`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mco again K7PX --failed\n  mco again --down --silent --yes")]
pub struct Again {
    /// The job [default: the last]
    pub id: Option<String>,
    /// Which of its nodes.
    #[command(flatten)]
    pub which: Part,
    /// Why it is done; signed along and kept by the nodes [default: the job's]
    #[arg(long, value_name = "TEXT", help_heading = "The order")]
    pub reason: Option<String>,
    /// Change without asking; needed where there is no terminal
    #[arg(short = 'y', long, help_heading = "The order")]
    pub yes: bool,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// The output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Its lines.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Which nodes of a job.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Which nodes")]
#[group(required = true, multiple = true)]
pub struct Part {
    /// Those that said that they failed, or refused it
    #[arg(long)]
    pub failed: bool,
    /// Those of which it is not known how they ended
    #[arg(long)]
    pub silent: bool,
    /// Those that were not connected
    #[arg(long)]
    pub down: bool,
    /// Those on which it never began: not sent, or cancelled
    #[arg(long)]
    pub untouched: bool,
}
