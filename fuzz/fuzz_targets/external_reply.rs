//! Any bytes as what an external agent left in its reply file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_agent::external::message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = message::reply(bytes) {
        assert!(serde_json::to_vec(&reply.data).is_ok(), "what was read can be written");
    }
    let _ = message::activated(bytes);
});
