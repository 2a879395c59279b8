//! Any bytes as a process's `maps` and `cgroup`: nothing panics, a file of `maps` has a path that
//! stands in its line, and a unit has a name that stands in its group.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_agents::service::stale::{Mapping, Owner};

fuzz_target!(|bytes: &[u8]| {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(found) = Mapping::parse(line) {
            assert!(found.path.starts_with(b"/"));
            assert!(line.windows(found.path.len()).any(|part| part == found.path));
            let _ = found.link();
        }
    }
    let text = String::from_utf8_lossy(bytes);
    match Owner::parse(&text) {
        Owner::Service(unit) | Owner::Session(unit) | Owner::Unit(unit) => {
            assert!(unit.contains('.') && !unit.contains('/') && text.contains(&unit));
        }
        Owner::Nothing => {}
    }
});
