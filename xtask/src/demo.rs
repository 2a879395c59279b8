//! `cargo xtask demo`: builds `mco` and `mcod`, and shows the main job on a fleet of one machine.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the two programs as they are shipped, and becomes `mco lab demo`.
///
/// # Errors
/// When they cannot be built or started; the error is one sentence.
pub fn run(root: &Path) -> Result<std::convert::Infallible, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked", "--package", "marcato", "--bins"]);
    let status = build.current_dir(root).status();
    let status = status.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("cargo build: {status}"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let mco = root.join(target.unwrap_or_else(|| "target".into())).join("release/mco");
    let error = Command::new(&mco).args(["lab", "demo"]).exec();
    Err(format!("{}: {error}", mco.display()))
}
