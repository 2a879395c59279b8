//! The agents that ship with the node: rpcutil, package, service.
//!
//! Each keeps the contract of [`marcato_agent`] like anyone's. What the operating system does lies
//! behind two seams, [`package::Packages`] and [`service::Services`]: dpkg and systemd on a host,
//! and simulations in the [`lab`]. An agent that cannot work on a host is not made there.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod lab;
pub mod package;
pub mod rpcutil;
pub mod service;

use std::path::PathBuf;
use std::sync::Arc;

use marcato_agent::{Agent, Catalog, Shipped, job, policy};
use marcato_core::AgentName;
use marcato_core::ddl::{Ddl, DdlError};

pub use rpcutil::{About, Shared};

/// Where packages and services are.
#[derive(Debug, Clone)]
pub enum Platform {
    /// On this host.
    Native,
    /// In a lab's file, in this folder.
    Lab(PathBuf),
}

/// The agents that work on a platform, rpcutil among them.
///
/// # Errors
/// A declaration that ships with the program is wrong, which its tests rule out.
pub fn catalog(platform: &Platform, about: About) -> Result<Catalog, DdlError> {
    let mut catalog = Catalog::new();
    let mut add = |agent: Option<Arc<dyn Agent>>| agent.map(|agent| catalog.insert(agent));
    match platform {
        Platform::Native => {
            if let Some(apt) = package::Apt::available() {
                add(Some(Arc::new(package::Package::new(Arc::new(apt))?)));
            }
            if let Some(services) = service::of_host() {
                add(Some(Arc::new(service::Service::new(services)?)));
            }
        }
        Platform::Lab(dir) => {
            let lab = lab::Lab::open(dir.clone());
            let package = package::Package::new(Arc::new(lab.clone()))?;
            add(Some(Arc::new(lab::Paced::new(package, lab.clone()))));
            let service = service::Service::new(Arc::new(lab.clone()))?;
            add(Some(Arc::new(lab::Paced::new(service, lab))));
        }
    }
    introduce(&mut catalog, about)?;
    Ok(catalog)
}

/// Adds rpcutil, which names all agents of the catalog; once more after others were added, so that
/// it names them too.
///
/// # Errors
/// As [`catalog()`].
pub fn introduce(catalog: &mut Catalog, about: About) -> Result<(), DdlError> {
    let names: Vec<AgentName> = catalog.names().cloned().collect();
    catalog.insert(Arc::new(rpcutil::Rpcutil::new(about, names)?));
    Ok(())
}

/// The declarations of all agents that ship with the program, whether they work here or not: a
/// client needs them for every node of its fleet.
///
/// # Errors
/// As [`catalog()`].
pub fn ddls() -> Result<Vec<Arc<Ddl>>, DdlError> {
    [&rpcutil::DDL, &package::DDL, &service::DDL, &job::DDL, &policy::DDL]
        .into_iter()
        .map(Shipped::ddl)
        .collect()
}

/// The JSON object of a value that is one.
fn outputs(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}

/// A string input; the declaration makes sure that it is there.
fn text<'a>(call: &'a marcato_agent::Call, name: &str) -> &'a str {
    call.inputs.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
}
