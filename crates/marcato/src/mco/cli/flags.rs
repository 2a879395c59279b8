//! The flags that commands share: which fleet, which nodes, how the answer is shown.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use marcato_client::core::Limit;
use marcato_core::{Collective, Span, Terms};
use marcato_filter::FilterError;
use marcato_link::ServerUrl;

use super::pace::PaceArgs;
use crate::environment;
use crate::mco::guard::Expect;
use crate::words::tally::{Display, Shape};

/// Which fleet, and with what configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct FleetArgs {
    /// The fleet, as the configuration names it; not needed when it names one alone
    #[arg(long, value_name = "NAME", env = environment::FLEET.name, hide_env_values = true)]
    pub fleet: Option<String>,
    /// The client's configuration [default: ~/.config/marcato/client.toml]
    #[arg(long, value_name = "FILE", env = environment::CONFIG.name, hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// The broker, instead of the configured one: nats://HOST:PORT
    #[arg(long, value_name = "URL", env = environment::BROKER.name, hide_env_values = true)]
    pub broker: Option<ServerUrl>,
}

/// Which nodes are meant. Terms of different kinds are ANDed; without any, every node is meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which nodes")]
pub struct FilterArgs {
    /// Words with an operator are facts, others classes: "operatingsystem=Debian hagroup=c"
    #[arg(short = 'W', long = "with", value_name = "FILTER", allow_hyphen_values = true)]
    pub with: Vec<String>,
    /// Facts and classes joined by and, or, not: "(hagroup=b or hagroup=c) and not role::db"
    #[arg(short = 'S', long = "select", value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub expressions: Vec<String>,
    /// A fact: hagroup=c, processorcount>=4, operatingsystem=/debian/i
    #[arg(
        short = 'F',
        long = "with-fact",
        visible_alias = "wf",
        value_name = "FACT",
        allow_hyphen_values = true
    )]
    pub facts: Vec<String>,
    /// A class, or /regular expression/
    #[arg(
        short = 'C',
        long = "with-class",
        visible_alias = "wc",
        value_name = "CLASS",
        allow_hyphen_values = true
    )]
    pub classes: Vec<String>,
    /// An agent, or /regular expression/
    #[arg(
        short = 'A',
        long = "with-agent",
        visible_alias = "wa",
        value_name = "AGENT",
        allow_hyphen_values = true
    )]
    pub agents: Vec<String>,
    /// A node's name, names such as web[01-17].x, or /regular expression/; any one is enough
    #[arg(
        short = 'I',
        long = "with-identity",
        visible_alias = "wi",
        value_name = "NAME",
        allow_hyphen_values = true
    )]
    pub identities: Vec<String>,
    /// The collective, which is the fleet's own name
    #[arg(short = 'T', long, value_name = "COLLECTIVE")]
    pub target: Option<Collective>,
}

/// Which of the nodes that match.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which nodes")]
pub struct NodesArgs {
    /// Only nodes whose names are in the file, or on standard input (-); web[01-17].x is a name too
    #[arg(long, value_name = "FILE")]
    pub nodes: Option<PathBuf>,
    /// Only so many nodes, or such a part, rounded down; one at least
    #[arg(long, visible_aliases = ["limit-nodes", "ln"], value_name = "N|N%")]
    pub limit: Option<Limit>,
    /// One node alone
    #[arg(short = '1', long, conflicts_with = "limit")]
    pub one: bool,
    /// Draw the nodes of --limit or --one: the same seed and nodes give the same ones
    #[arg(long, value_name = "NUMBER")]
    pub limit_seed: Option<u64>,
}

impl FilterArgs {
    /// The terms as typed.
    ///
    /// # Errors
    /// Where a term does not parse, with its place.
    pub fn terms(&self) -> Result<Terms, FilterError> {
        marcato_filter::from_flags(&self.with, self.given())
    }

    /// Refuses comparisons with a text that is missing: rather a shell variable is not set.
    ///
    /// # Errors
    /// For the first of them, with its place.
    pub fn have_values(&self) -> Result<(), FilterError> {
        marcato_filter::flags_have_values(&self.with, &self.given())
    }

    /// The terms of every flag but `-W`, which takes two kinds.
    fn given(&self) -> Terms {
        Terms {
            facts: self.facts.clone(),
            classes: self.classes.clone(),
            identities: self.identities.clone(),
            agents: self.agents.clone(),
            expressions: self.expressions.clone(),
        }
    }
}

/// How the answer is shown.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// One JSON object on standard output, in a stable form
    #[arg(long)]
    pub json: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Which lines an order's report has.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct ReportArgs {
    /// A JSON object on a line for each node as it ends, then one for the whole
    #[arg(long, conflicts_with = "json")]
    pub jsonl: bool,
    /// A line for each node, however many there are
    #[arg(long)]
    pub each: bool,
    /// Groups of nodes that answered alike, however few there are
    #[arg(long, conflicts_with = "each")]
    pub group: bool,
    /// Which nodes are shown
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub display: Display,
    /// Every group, however many there are: what `mco job show --all` wants.
    #[arg(skip)]
    pub all: bool,
}

impl ReportArgs {
    /// Which lines there are.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        match self {
            Self { all: true, .. } => Shape::All,
            Self { each: true, .. } => Shape::Each,
            Self { group: true, .. } => Shape::Groups,
            _ => Shape::Fitting,
        }
    }
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What an order takes beside its filter.
#[derive(Debug, Clone, Default, Args)]
pub struct OrderArgs {
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
    /// Its lines.
    #[command(flatten)]
    pub report: ReportArgs,
    /// Seconds to wait for answers [default: 5 for reads, 10 for changes]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, help_heading = "The order")]
    pub timeout: Option<Span>,
    /// Seconds it may take on a node [default: as its agent declares; the most for an external one]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "The order")]
    pub run_limit: Option<Span>,
    /// How it goes over them.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Why it is done; signed along and kept by the nodes
    #[arg(long, value_name = "TEXT", help_heading = "The order")]
    pub reason: Option<String>,
    /// Change without asking; needed where there is no terminal
    #[arg(short = 'y', long, help_heading = "The order")]
    pub yes: bool,
    /// Every node is meant: needed with --yes where nothing says which
    #[arg(long, help_heading = "The order")]
    pub all: bool,
    /// Send nothing unless so many nodes are meant
    #[arg(long, value_name = "N|A..B", help_heading = "The order")]
    pub expect: Option<Expect>,
    /// Let nodes that were down already not change the exit code
    #[arg(long, help_heading = "The order")]
    pub allow_down: bool,
}

pub(super) fn seconds(text: &str) -> Result<Span, String> {
    span(text, 0.1)
        .ok_or_else(|| "write whole or decimal seconds from 0.1 to 86400, such as 5".to_owned())
}

/// Whole or decimal seconds, from so many up to a day.
pub(super) fn span(text: &str, least: f64) -> Option<Span> {
    let seconds: f64 = text.parse().ok()?;
    if !(least..=86_400.0).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    let ms = (seconds * 1000.0).round() as u64;
    Some(Span::from_ms(ms))
}
