//! Any bytes as JSON: nothing panics, and what is accepted survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_core::json;
use marcato_core::limits::protocol::JSON_DEPTH_MAX;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = json::parse(bytes, JSON_DEPTH_MAX) {
        let written = value.to_string();
        let again = json::parse(written.as_bytes(), JSON_DEPTH_MAX);
        assert_eq!(again, Ok(value), "{written}");
    }
});
