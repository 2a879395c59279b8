//! `mcod node` and `mcod run`: a managed host's daemon, and the processes that its changes run in.

use std::fs::DirBuilder;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use marcato_agent::external::{DEFAULT_PATH, Host};
use marcato_agent::runner::{self, Launch};
use marcato_agents::{About, Platform};
use marcato_core::limits::protocol::CERTIFICATE_BYTES_MAX;
use marcato_core::{Exit, config};
use marcato_node::shell::{self, Agents, DaemonError, NodeConfig, Places, Start, StateError};
use marcato_protocol::version::Spoken;

use super::cli::{NodeArgs, RunArgs};
use crate::words::{self, Failure};

/// Where private folders of calls are made: in memory, and gone at the next boot.
const SCRATCH: &str = "/run/marcato";

/// Runs `mcod node`.
///
/// # Errors
/// What keeps it from starting, in words.
pub fn main(args: NodeArgs) -> Result<Exit, Failure> {
    let file = args.places.config.join("node.toml");
    let places = Places::beside(&file, &args.places.state);
    if args.check {
        return Ok(check(&file, &places));
    }
    let config = read_config(&file)?;
    if args.print_request {
        let request = shell::request_certificate(&config, &places).map_err(state_failure)?;
        return Ok(words::answer(&format!("{request}\n"), Exit::Ok));
    }
    if let Some(source) = args.install_certificate {
        let text = read_certificate(&source)?;
        shell::install_certificate(&config, &places, &text).map_err(state_failure)?;
        return Ok(Exit::Ok);
    }
    serve(config, places)
}

/// Runs `mcod run`: one prepared change, then ends.
///
/// # Errors
/// The folder cannot be used; nothing was done then.
pub fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let platform = args.lab.clone().map_or(Platform::Native, Platform::Lab);
    let catalog = marcato_agents::catalog(&platform, about());
    let catalog = catalog.map_err(internal)?;
    let host = host(args.agents.clone().unwrap_or_else(|| PathBuf::from(NO_AGENTS)));
    let runtime = super::runtime()?;
    runtime.block_on(runner::run(&args.dir, &catalog, &host)).map_err(internal)?;
    Ok(Exit::Ok)
}

/// A folder that is never there: no external agents.
const NO_AGENTS: &str = "/nonexistent";

fn serve(config: NodeConfig, places: Places) -> Result<Exit, Failure> {
    let launch = Launch {
        program: std::env::current_exe().map_err(internal)?,
        arguments: vec!["run".into(), "--agents".into(), config.agents_dir.clone().into()],
    };
    let host = host(config.agents_dir.clone());
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&host.scratch) {
        tracing::warn!(dir = %host.scratch.display(), %error, "external agents cannot be called");
    }
    let about = about();
    let (classes, health) = (about.classes.clone(), about.health.clone());
    let start = |agents| {
        let (launch, spoken) = (Arc::new(launch.clone()), Spoken::RELEASE);
        Start { config, places, agents, classes, health, launch, spoken }
    };
    let runtime = super::runtime()?;
    let found = async || find_agents(&host, &launch, &about).await;
    let served = runtime.block_on(shell::daemon(start, found));
    match served {
        Ok(()) => Ok(Exit::Ok),
        Err(DaemonError::State(error)) => Err(state_failure(error)),
        Err(DaemonError::Link(error)) => Err(Failure::new(Exit::NoPermission, error)),
        Err(error @ DaemonError::System(_)) => Err(Failure::new(Exit::Unavailable, error)),
    }
}

/// The agents that work on this host, external ones included.
async fn find_agents(host: &Host, launch: &Launch, about: &About) -> Agents {
    let mut left_out = Vec::new();
    let mut catalog = match marcato_agents::catalog(&Platform::Native, about.clone()) {
        Ok(catalog) => catalog,
        Err(error) => {
            left_out.push(error.to_string());
            marcato_agent::Catalog::new()
        }
    };
    let unfit = host.load(Some(launch), &mut catalog).await;
    left_out.extend(unfit.iter().map(ToString::to_string));
    if let Err(error) = marcato_agents::introduce(&mut catalog, about.clone()) {
        left_out.push(error.to_string());
    }
    for why in &left_out {
        tracing::warn!("left out: {why}");
    }
    Agents { catalog, left_out }
}

fn host(agents: PathBuf) -> Host {
    Host {
        agents,
        settings: "/etc/marcato/plugin.d".into(),
        scratch: SCRATCH.into(),
        path: DEFAULT_PATH.into(),
    }
}

pub(crate) fn about() -> About {
    About { version: env!("CARGO_PKG_VERSION").to_owned(), ..About::default() }
}

pub(super) fn read_config(file: &Path) -> Result<NodeConfig, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| super::unread(file, &error))?;
    let parsed: Result<NodeConfig, config::ConfigError> = NodeConfig::parse(&name, &text);
    parsed.map_err(|error| Failure::new(Exit::Config, error))
}

/// Prints everything that is wrong with the node's files.
fn check(file: &Path, places: &Places) -> Exit {
    let findings = findings(file, places);
    let mut err = anstream::stderr().lock();
    for finding in &findings {
        // Nobody is left to be told when standard error is closed.
        let _ = writeln!(err, "{finding}");
    }
    if findings.is_empty() { Exit::Ok } else { Exit::Config }
}

/// Everything that is wrong with the node's files.
pub(super) fn findings(file: &Path, places: &Places) -> Vec<String> {
    let mut findings = shell::check(places);
    if let Ok(config) = read_config(file) {
        let catalog = marcato_agents::catalog(&Platform::Native, About::default());
        let unfit = host(config.agents_dir).check(&catalog.unwrap_or_default());
        findings.extend(unfit.iter().map(ToString::to_string));
    }
    findings
}

fn read_certificate(source: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let limit = u64::try_from(CERTIFICATE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let read = if source == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(source).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::new(Exit::Usage, format_args!("{}: {error}", source.display())))?;
    Ok(text)
}

/// What keeps the node from its files; the exit code says whether to try again.
fn state_failure(error: StateError) -> Failure {
    let exit = if error.is_passing() { Exit::Unavailable } else { Exit::Config };
    Failure::new(exit, error)
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unavailable, error)
}
