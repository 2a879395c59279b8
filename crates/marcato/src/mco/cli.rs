//! The grammar of `mco`: each flag, argument and environment variable is declared here once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use marcato_client::core::Limit;
use marcato_core::{ActionName, AgentName, Collective, Identity, Span, Terms};
use marcato_filter::FilterError;
use marcato_link::ServerUrl;

/// Run one signed action on every host that matches, and account for every one of them.
#[derive(Debug, Parser)]
#[command(name = "mco", version = crate::words::version(), disable_help_subcommand = true, propagate_version = true)]
#[command(after_help = "Exit codes: 0 every node ok · 1 nothing matched · 2 some node failed · \
    3 nobody answered · 4 some silent · 64 usage · 69 hub unreachable · 77 cannot sign · \
    78 configuration\n\nTry it without a fleet: mco lab demo")]
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
    /// Ask for a package
    Package(Package),
    /// Ask for a service, or restart it
    Service(Service),
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
}

/// Which fleet, and with what configuration.
#[derive(Debug, Clone, Args)]
pub struct FleetArgs {
    /// The fleet, as the configuration names it; not needed when it names one alone
    #[arg(long, value_name = "NAME", env = "MARCATO_FLEET", hide_env_values = true)]
    pub fleet: Option<String>,
    /// The client's configuration [default: ~/.config/marcato/client.toml]
    #[arg(long, value_name = "FILE", env = "MARCATO_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// The broker, instead of the configured one: nats://HOST:PORT
    #[arg(long, value_name = "URL", env = "MARCATO_BROKER", hide_env_values = true)]
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
        let terms = Terms {
            facts: self.facts.clone(),
            classes: self.classes.clone(),
            identities: self.identities.clone(),
            agents: self.agents.clone(),
            expressions: self.expressions.clone(),
        };
        marcato_filter::from_flags(&self.with, terms)
    }
}

/// How the answer is shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// One JSON object on standard output, in a stable form
    #[arg(long)]
    pub json: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// A line for each node, however many there are
    #[arg(long)]
    pub each: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What an order takes beside its filter.
#[derive(Debug, Clone, Args)]
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
    /// Seconds to wait for answers [default: 5 for reads, 10 for changes]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, help_heading = "The order")]
    pub timeout: Option<Span>,
    /// Why it is done; signed along and kept by the nodes
    #[arg(long, value_name = "TEXT", help_heading = "The order")]
    pub reason: Option<String>,
    /// Change without asking; needed where there is no terminal
    #[arg(short = 'y', long, help_heading = "The order")]
    pub yes: bool,
}

fn seconds(text: &str) -> Result<Span, String> {
    let wrong = || "write whole or decimal seconds from 0.1 to 86400, such as 5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err(wrong());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    let ms = (seconds * 1000.0).round() as u64;
    Ok(Span::from_ms(ms))
}

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
    Up {
        /// Where it lies.
        #[command(flatten)]
        dir: LabDir,
        /// How many nodes, this machine not counted
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50_000))]
        nodes: u32,
    },
    /// Print what a shell needs to use the fleet: eval "$(mco lab env)"
    Env(LabDir),
    /// Show the nodes and where their logs are
    Status(LabDir),
    /// End the fleet; its files stay
    Down {
        /// Where it lies.
        #[command(flatten)]
        dir: LabDir,
        /// Remove what the lab made as well
        #[arg(long)]
        purge: bool,
    },
    /// Show the main job on a fleet of 20 nodes, from beginning to end
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

/// `mco authority …`
#[derive(Debug, Args)]
pub struct Authority {
    /// What the authority shall do.
    #[command(subcommand)]
    pub command: AuthorityCommand,
}

/// What the fleet's authority does.
#[derive(Debug, Subcommand)]
pub enum AuthorityCommand {
    /// Read a node's request on standard input, write its certificate to standard output
    #[command(
        after_help = "Example:\n  ssh web1 mcod node --print-request | mco authority sign-node --key authority \
        | ssh web1 mcod node --install-certificate -"
    )]
    SignNode {
        /// The authority's private SSH key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Sign only if the request is for this name
        #[arg(long, value_name = "NAME")]
        identity: Option<Identity>,
    },
}
