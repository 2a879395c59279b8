//! What agents declare: those that ship with the program, and those in the client's folder.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use marcato_agent::{Shipped, job, policy};
use marcato_core::ddl::{Action, Ddl};
use marcato_core::limits::agent::DDL_BYTES_MAX;
use marcato_core::nearest::nearest;
use marcato_core::{ActionName, AgentName, Exit};

use crate::words::Failure;

/// The declarations that ship with the program; only the one that is asked for is read.
static SHIPPED: [(&str, &Shipped); 5] = [
    (job::NAME, &job::DDL),
    ("package", &marcato_agents::package::DDL),
    (policy::NAME, &policy::DDL),
    ("rpcutil", &marcato_agents::rpcutil::DDL),
    ("service", &marcato_agents::service::DDL),
];

/// The declaration of an agent that ships with the program, where it is one.
pub fn shipped(name: &str) -> Option<Result<Ddl, Failure>> {
    let (_, shipped) = SHIPPED.iter().find(|(known, _)| *known == name)?;
    let wrong = |error| Failure::new(Exit::Config, format!("agent {name}: {error}"));
    Some(shipped.ddl().map(Arc::unwrap_or_clone).map_err(wrong))
}

/// Finds an agent's declaration.
///
/// # Errors
/// There is none (with the nearest name), or it is wrong (with its place).
pub fn agent(name: &AgentName, folder: &Path) -> Result<Ddl, Failure> {
    if let Some(shipped) = shipped(name.as_str()) {
        return shipped;
    }
    let file = folder.join(format!("{name}.json"));
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Config, format!("{}: {why}", file.display()))
    };
    let mut bytes = Vec::new();
    let read = File::open(&file)
        .and_then(|file| file.take(DDL_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown(name, folder)),
        Err(error) => return Err(wrong(&error)),
        Ok(_) if bytes.len() > DDL_BYTES_MAX => {
            return Err(wrong(&format!("longer than {DDL_BYTES_MAX} bytes")));
        }
        Ok(_) => {}
    }
    let ddl = Ddl::parse(&bytes).map_err(|error| wrong(&error))?;
    if ddl.metadata.name != *name {
        return Err(wrong(&format!("it declares the agent {}", ddl.metadata.name)));
    }
    Ok(ddl)
}

/// Finds an action in a declaration.
///
/// # Errors
/// There is none, with the nearest name.
pub fn action<'a>(ddl: &'a Ddl, name: &ActionName) -> Result<&'a Action, Failure> {
    let names = || ddl.actions.keys().map(ActionName::as_str);
    ddl.actions.get(name).ok_or_else(|| {
        let agent = &ddl.metadata.name;
        let meant = meant(name.as_str(), names().collect());
        Failure::new(Exit::Usage, format!("agent {agent} has no action {name:?}; {meant}"))
    })
}

/// The names of all agents that are declared here, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let declared = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| {
        Some(entry.ok()?.file_name().to_str()?.strip_suffix(".json")?.to_owned())
    });
    let mut known: Vec<String> =
        declared.filter(|name| name.parse::<AgentName>().is_ok()).collect();
    known.extend(SHIPPED.iter().map(|(name, _)| (*name).to_owned()));
    known.sort_unstable();
    known.dedup();
    known
}

fn unknown(name: &AgentName, folder: &Path) -> Failure {
    let known = names(folder);
    let meant = meant(name.as_str(), known.iter().map(String::as_str).collect());
    let file = folder.join(format!("{name}.json"));
    Failure::new(Exit::Usage, format!("no agent {name:?} is declared here; {meant}"))
        .hint(format!("its declaration belongs into {}", file.display()))
}

/// What was probably meant, else what there is.
pub fn meant(word: &str, known: Vec<&str>) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("nearest: {near}"),
        None => format!("there are {}", known.join(", ")),
    }
}
