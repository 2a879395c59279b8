//! Any bytes as the kernel's answer about interfaces, and as what a program prints as facts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_node::shell::facts::{parse_interfaces, read_facter, read_output};

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_interfaces(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for read in [read_output(text), read_facter(text)].into_iter().flatten() {
        assert!(read.facts.iter().all(|(name, value)| !name.is_empty() && !value.is_null()));
    }
});
