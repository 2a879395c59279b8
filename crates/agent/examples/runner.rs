//! Plays `mcod` for the tests: `run AGENTS SCRATCH DIR` is a runner, `daemon AGENTS SCRATCH DIR` a
//! daemon that starts a runner for a prepared folder, says so, and does nothing more.

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;

use marcato_agent::Catalog;
use marcato_agent::external::{DEFAULT_PATH, Host};
use marcato_agent::runner::{self, Launch};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Formatted, so that logging is part of the test, and dropped: a rogue says 64 KiB.
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [mode, agents, scratch, dir] = arguments.as_slice() else {
        return Err("usage: runner run|daemon AGENTS SCRATCH DIR".into());
    };
    let dir = PathBuf::from(dir);
    let host = Host {
        agents: agents.into(),
        settings: PathBuf::from(agents).join("settings"),
        scratch: scratch.into(),
        path: DEFAULT_PATH.into(),
    };
    if mode == "run" {
        return Ok(runner::run(&dir, &Catalog::new(), &host).await?);
    }
    let launch = Launch {
        program: std::env::current_exe()?,
        arguments: vec!["run".into(), agents.clone(), scratch.clone()],
    };
    let running = launch.spawn(&dir)?;
    std::fs::write(dir.join("started"), running.pid().unwrap_or(0).to_string())?;
    std::future::pending().await
}
