//! `mco lab demo`: the main job from beginning to end, on a fleet of its own that is gone afterwards.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_core::Exit;
use tokio::process::Command;

use super::layout::{Layout, Running};
use super::processes::{self, Process};
use super::{down, up};
use crate::mco::Leave;
use crate::words::Failure;

/// How many nodes the demo has.
const NODES: u32 = 20;
/// The node that goes down: web2.
const APART: u32 = 1;

/// A command of the demo.
struct Scene {
    /// What there is to see.
    about: &'static str,
    /// What is typed.
    words: &'static [&'static str],
    /// How it must end.
    exit: Exit,
}

const SCENES: [Scene; 6] = [
    Scene {
        about: "Which hosts run Debian 8.5? The registry knows; no list is kept anywhere.",
        words: &["find", "-W", "operatingsystem=Debian operatingsystemrelease=8.5"],
        exit: Exit::Ok,
    },
    Scene {
        about: "Which openssl has every host? All are asked at once; what is alike is put together.",
        words: &["package", "openssl", "status"],
        exit: Exit::Ok,
    },
    Scene {
        about: "Restart nginx in fault group c alone. Hosts without nginx do nothing, and are counted.",
        words: &["service", "nginx", "restart", "-W", "hagroup=c", "--yes"],
        exit: Exit::Ok,
    },
    Scene {
        about: "The same from a script, as JSON (its first lines).",
        words: &["service", "nginx", "status", "-W", "hagroup=c role=web", "--json"],
        exit: Exit::Ok,
    },
    Scene {
        about: "A change without a terminal and without --yes is refused before anything is sent.",
        words: &["service", "nginx", "restart", "-W", "hagroup=c"],
        exit: Exit::Usage,
    },
    Scene { about: "Who answers?", words: &["ping"], exit: Exit::Ok },
];

/// The last one, after a node went down.
const WITHOUT_ONE: Scene = Scene {
    about: "One host goes down. The next command names it, and says so in its exit code (4).",
    words: &["service", "nginx", "status", "-W", "role=web"],
    exit: Exit::Silent,
};

/// Runs `mco lab demo`: whatever happens on the way, its fleet is gone afterwards.
pub(super) fn main(dir: Option<PathBuf>) -> Result<Exit, Failure> {
    let own = dir.is_none();
    let lab = Layout::new(dir.unwrap_or_else(temporary))?;
    if lab.running()?.as_ref().is_some_and(Running::is_up) {
        let text = format_args!("a lab is up in {}, and stays as it is", lab.dir.display());
        return Err(Failure::new(Exit::Usage, text).hint("another folder: --dir DIR"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| lab.failure(&error))?;
    // Watched before the fleet comes up: who goes meanwhile still has it taken down.
    let mut leave = runtime.block_on(async { Leave::watch() });
    say(
        "# A fleet of 20 simulated hosts on this machine: real programs, real keys, real connections.",
    )?;
    say(&format!("$ mco lab up --nodes {NODES} --dir {}", lab.word()))?;
    up::with_one_apart(&lab, NODES, APART)?;
    let shown = runtime.block_on(async {
        tokio::select! {
            biased;
            () = leave.wait() => Err(Failure::new(Exit::Interrupted, "interrupted")),
            shown = scenes(&lab) => shown,
        }
    });
    let purge = if own { "--purge " } else { "" };
    let said = say(&format!("\n$ mco lab down {purge}--dir {}", lab.word()));
    down::main(&lab, own)?;
    shown.and(said).map(|()| Exit::Ok)
}

async fn scenes(lab: &Layout) -> Result<(), Failure> {
    for scene in &SCENES {
        show(lab, scene).await?;
    }
    stop_one(lab)?;
    show(lab, &WITHOUT_ONE).await
}

/// Runs a command as its user would, and shows what is typed, what comes, and the exit code.
async fn show(lab: &Layout, scene: &Scene) -> Result<(), Failure> {
    say(&format!("\n# {}", scene.about))?;
    let typed: Vec<String> = scene.words.iter().map(|word| typed(word)).collect();
    say(&format!("$ mco {}", typed.join(" ")))?;
    let program = std::env::current_exe().map_err(|error| lab.failure(&error))?;
    let status = Command::new(program)
        .args(scene.words)
        .env("MARCATO_CONFIG", lab.client_toml())
        .env_remove("MARCATO_BROKER")
        .env_remove("MARCATO_FLEET")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| lab.failure(&error))?;
    say(&format!("[exit {}]", status.code().unwrap_or(-1)))?;
    let wanted = i32::from(scene.exit.code());
    if status.code() == Some(wanted) {
        return Ok(());
    }
    let text = format_args!("the demo went wrong: that command had to end with exit {wanted}");
    Err(Failure::new(Exit::Failed, text))
}

/// A word as it is typed.
fn typed(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}

/// Ends the one node that has a process of its own.
fn stop_one(lab: &Layout) -> Result<(), Failure> {
    let running = lab.running()?.unwrap_or_default();
    let own = up::process_name(APART);
    let one: Vec<Process> = running.processes.into_iter().filter(|p| p.what == own).collect();
    processes::end(&one, down::PATIENCE);
    Ok(())
}

fn temporary() -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    std::env::temp_dir().join(format!("marcato-demo-{}-{}", std::process::id(), now.as_millis()))
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(Exit::Unavailable, error))
}
