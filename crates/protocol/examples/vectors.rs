//! Writes `docs/protocol/vectors/`, and of their messages the seeds of the fuzz target `messages`:
//! `cargo run -p marcato-protocol --example vectors`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a developer's tool")]

#[path = "../tests/vectors/make/mod.rs"]
mod make;

use std::path::Path;

use serde_json::Value;

/// How many messages of a file become seeds.
const SEEDS: usize = 5;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/messages");
    std::fs::create_dir_all(&seeds).unwrap();
    for (name, vectors) in make::all() {
        std::fs::write(folder.join(name), make::text(&vectors)).unwrap();
        println!("wrote docs/protocol/vectors/{name}");
        let accepted = vectors["accepted"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (number, case) in (1..).zip(accepted.iter().take(SEEDS)) {
            if let Some(seed) = seed(&case["message"]) {
                let name = name.trim_end_matches(".json");
                std::fs::write(seeds.join(format!("{name}-{number}")), seed).unwrap();
            }
        }
    }
}

/// A message as the fuzz target reads it; binary ones are left to the fuzzer.
fn seed(message: &Value) -> Option<String> {
    let mut seed = format!("{}\n", message["subject"].as_str()?);
    for header in message["headers"].as_array()? {
        seed += &format!("{}: {}\n", header[0].as_str()?, header[1].as_str()?);
    }
    Some(seed + "\n" + message["body"]["text"].as_str()?)
}
