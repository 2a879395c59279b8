//! Writes `docs/protocol/vectors/`: `cargo run -p marcato-protocol --example vectors`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a developer's tool")]

#[path = "../tests/vectors/make/mod.rs"]
mod make;

use std::path::Path;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    for (name, vectors) in make::all() {
        std::fs::write(folder.join(name), make::text(&vectors)).unwrap();
        println!("wrote docs/protocol/vectors/{name}");
    }
}
