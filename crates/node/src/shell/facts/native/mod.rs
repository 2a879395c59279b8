//! The facts that a node finds by itself, under Facter's names and with the values that Facter
//! gives them, so that existing filters mean the same hosts. The table of them is
//! [`marcato_core::facts::NATIVE`].

mod disks;
mod hardware;
mod memory;
mod names;
mod netlink;
mod network;
mod processors;
mod ssh;
mod system;
mod time;
mod unit;
mod user;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use marcato_core::Facts;
use marcato_core::facts::add_flat_names;
use marcato_core::limits::facts::HOST_FILE_BYTES_MAX;
use serde_json::{Map, Value};

use super::scalar::EXACT;
pub use names::fqdn;
pub use netlink::parse as parse_interfaces;
pub use network::{Address, Interface};

/// What the kernel says of itself (`uname`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// `Linux`.
    pub name: String,
    /// The host's name as the kernel has it, with or without a domain.
    pub node: String,
    /// Such as `6.1.0-37-amd64`.
    pub release: String,
    /// Such as `x86_64`.
    pub machine: String,
}

impl Kernel {
    /// Asks the kernel.
    #[must_use]
    pub fn ask() -> Self {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            name: text(name.sysname()),
            node: text(name.nodename()),
            release: text(name.release()),
            machine: text(name.machine()),
        }
    }
}

/// The interfaces of the host whose files lie under `root`. Only a host that is this one has any:
/// the kernel is asked, no file.
#[must_use]
pub fn interfaces(root: &Path) -> Vec<Interface> {
    if root != Path::new("/") {
        return Vec::new();
    }
    netlink::ask().unwrap_or_else(|error| {
        tracing::warn!(%error, "the kernel does not tell the network interfaces; their facts are left out");
        Vec::new()
    })
}

/// Finds the native facts of the host whose files lie under `root` (`/` but for tests), those aside
/// that are volatile. What cannot be found is left out.
#[must_use]
pub fn find(root: &Path, kernel: &Kernel, interfaces: &[Interface]) -> Facts {
    let mut found = Found::default();
    system::add(&mut found, root, kernel);
    names::add(&mut found, root, &kernel.node);
    network::add(&mut found, root, interfaces);
    processors::add(&mut found, root);
    memory::add(&mut found, root);
    hardware::add(&mut found, root);
    disks::add(&mut found, root);
    ssh::add(&mut found, root);
    time::add(&mut found, root);
    user::add(&mut found, root);
    found.end()
}

/// Reads the volatile facts.
#[must_use]
pub fn measure(root: &Path) -> Facts {
    let mut found = Found::default();
    memory::measure(&mut found, root);
    disks::measure(&mut found, root);
    time::measure(&mut found, root);
    found.end()
}

/// Facts while they are found.
#[derive(Debug, Default)]
struct Found(Facts);

impl Found {
    /// Puts a value under a dotted name.
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        let parts: Vec<&str> = name.split('.').collect();
        self.put_at(&parts, value);
    }

    /// Puts a value at the end of a way; a part may have dots.
    fn put_at(&mut self, parts: &[&str], value: impl Into<Value>) {
        let Some(([first, inner @ ..], last)) = parts.split_last().map(|(last, way)| (way, last))
        else {
            if let [alone] = parts {
                self.0.insert((*alone).to_owned(), value.into());
            }
            return;
        };
        let mut at = self.0.entry((*first).to_owned()).or_insert_with(|| Map::new().into());
        for part in inner {
            let Value::Object(entries) = at else { return };
            at = entries.entry(*part).or_insert_with(|| Map::new().into());
        }
        if let Value::Object(entries) = at {
            let value = match value.into() {
                // Not every implementation of JSON keeps it: as a text it is compared all the same.
                Value::Number(size) if size.as_u64().is_some_and(|size| size > EXACT) => {
                    size.to_string().into()
                }
                value => value,
            };
            entries.insert((*last).to_owned(), value);
        }
    }

    /// Puts a text, if it is not empty.
    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.put(name, text);
        }
    }

    fn end(mut self) -> Facts {
        add_flat_names(&mut self.0);
        self.0
    }
}

/// A small file of the host as text, as far as its limit; empty if there is none.
fn read(root: &Path, path: &str) -> String {
    let mut bytes = Vec::new();
    let read = File::open(root.join(path))
        .and_then(|file| file.take(HOST_FILE_BYTES_MAX).read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The names in a folder of the host, sorted; none if there is no such folder.
fn list(root: &Path, path: &str) -> Vec<String> {
    let entries = root.join(path).read_dir().into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
