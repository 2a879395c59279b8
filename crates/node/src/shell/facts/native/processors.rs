//! The processors.

use std::collections::BTreeSet;
use std::path::Path;

use marcato_core::limits::facts::PROCESSORS_MAX;

use super::{Found, list, read};

/// Adds how many there are and of what make.
pub(super) fn add(found: &mut Found, root: &Path) {
    let file = read(root, "proc/cpuinfo");
    let pairs = || file.lines().filter_map(|line| line.split_once(':'));
    let values = |key: &'static str| {
        pairs().filter(move |(name, _)| name.trim_end() == key).map(|(_, value)| value.trim())
    };
    let count = values("processor").count();
    if count == 0 {
        return;
    }
    found.put("processors.count", count);
    let models: Vec<&str> =
        values("model name").chain(values("cpu")).take(PROCESSORS_MAX).collect();
    if !models.is_empty() {
        found.put("processors.models", models);
    }
    let topology = Topology::read(root);
    let sockets = values("physical id").collect::<BTreeSet<_>>().len();
    let sockets = if sockets == 0 { topology.sockets } else { sockets };
    if sockets > 0 {
        found.put("processors.physicalcount", sockets);
    }
    if topology.cores > 0 && topology.sockets > 0 {
        found.put("processors.cores", topology.cores / topology.sockets);
        found.put("processors.threads", topology.threads / topology.cores);
    }
}

/// How the processors that are switched on lie, whatever their make.
#[derive(Default)]
struct Topology {
    threads: usize,
    cores: usize,
    sockets: usize,
}

impl Topology {
    fn read(root: &Path) -> Self {
        let (mut threads, mut cores, mut sockets) = (0, BTreeSet::new(), BTreeSet::new());
        let is_processor = |name: &String| {
            name.strip_prefix("cpu").is_some_and(|number| number.parse::<u16>().is_ok())
        };
        let folder = "sys/devices/system/cpu";
        for name in list(root, folder).into_iter().filter(is_processor) {
            let topology = |file| read(root, &format!("{folder}/{name}/topology/{file}"));
            let (socket, core) = (topology("physical_package_id"), topology("core_id"));
            if !socket.is_empty() && !core.is_empty() {
                threads += 1;
                cores.insert((socket.clone(), core));
                sockets.insert(socket);
            }
        }
        Self { threads, cores: cores.len(), sockets: sockets.len() }
    }
}
