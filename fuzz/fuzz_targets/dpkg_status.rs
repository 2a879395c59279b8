//! Any bytes as dpkg's database: it is read, and what it holds is found by name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_agents::package::Index;

fuzz_target!(|bytes: &[u8]| {
    let Ok(index) = Index::parse(bytes) else { return };
    assert_eq!(index.all().count(), index.len());
    for package in index.all() {
        // A name with a colon is asked for by its first part.
        if !package.name.contains(':') {
            assert!(index.find(&package.name).contains(&package), "{package:?}");
        }
    }
});
