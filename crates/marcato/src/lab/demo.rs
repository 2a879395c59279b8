//! `mco lab demo`: the main job from beginning to end, on a fleet of its own that is gone afterwards.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_core::Exit;
use tokio::process::Command;

use super::layout::{Layout, Running};
use super::{down, up};
use crate::mco::Leave;
use crate::words::{self, Failure};

/// How many nodes the demo has.
const NODES: u32 = 20;

/// A command of the demo.
struct Scene {
    /// What there is to see; nothing where it goes on with the one before.
    about: &'static str,
    /// What is typed; commands of the lab are told its folder.
    words: &'static [&'static str],
    /// How it must end.
    exit: Exit,
}

const fn scene(about: &'static str, words: &'static [&'static str], exit: Exit) -> Scene {
    Scene { about, words, exit }
}

const SCENES: [Scene; 19] = [
    scene(
        "Which hosts run Debian 8.5? The registry knows; no list is kept anywhere.",
        &["find", "-W", "operatingsystem=Debian operatingsystemrelease=8.5"],
        Exit::Ok,
    ),
    scene(
        "Which openssl has every host? All are asked at once; what is alike is put together.",
        &["package", "openssl", "status"],
        Exit::Ok,
    ),
    scene(
        "openssl has a hole. Two hosts have a bad day: one is held by its administrator, …",
        &["lab", "break", "web1", "held"],
        Exit::Ok,
    ),
    scene("… and one has a full disk.", &["lab", "break", "db1", "disk-full"], Exit::Ok),
    scene(
        "A slip in a script: no filter. It is refused before anything is sent.",
        &["package", "openssl", "update", "--yes"],
        Exit::Usage,
    ),
    scene(
        "Every host is meant. The library goes along; what fails says why, with nothing changed; \
         this machine is read-only, and is left out by name.",
        &["package", "openssl", "update", "--all", "--yes", "--reason", "DSA-5999"],
        Exit::Failed,
    ),
    scene("The two are mended, …", &["lab", "mend", "web1"], Exit::Ok),
    scene("", &["lab", "mend", "db1"], Exit::Ok),
    scene(
        "… and the order goes once more to those where it failed.",
        &["again", "--failed", "--yes"],
        Exit::Ok,
    ),
    scene(
        "The hole is not closed yet: these services still run the old library.",
        &["service", "stale", "openssl"],
        Exit::Ok,
    ),
    scene(
        "nginx is restarted in fault group c alone. Hosts without nginx do nothing, and are counted.",
        &["service", "nginx", "restart", "-W", "hagroup=c", "--yes"],
        Exit::Ok,
    ),
    scene(
        "Then whatever still runs the old library, one fault group after the other.",
        &["service", "restart", "--stale", "openssl", "-W", "hagroup=c", "--yes"],
        Exit::Ok,
    ),
    scene("", &["service", "restart", "--stale", "openssl", "-W", "hagroup=b", "--yes"], Exit::Ok),
    scene("", &["service", "restart", "--stale", "openssl", "-W", "hagroup=a", "--yes"], Exit::Ok),
    scene("Nothing runs it any more.", &["service", "stale", "openssl"], Exit::Ok),
    scene(
        "For a script: one element for every host.",
        &["package", "openssl", "status", "-I", "web1.example.com", "--json"],
        Exit::Ok,
    ),
    scene("Who answers?", &["ping"], Exit::Ok),
    scene("One host goes down.", &["lab", "break", "web2", "down"], Exit::Ok),
    scene(
        "The next command names it, and says so in its exit code (4).",
        &["service", "nginx", "status", "-W", "role=web"],
        Exit::Silent,
    ),
];

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
    up::main(&lab, NODES)?;
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
    Ok(())
}

/// Runs a command as its user would, and shows what is typed, what comes, and the exit code.
async fn show(lab: &Layout, scene: &Scene) -> Result<(), Failure> {
    if !scene.about.is_empty() {
        say(&format!("\n# {}", scene.about))?;
    }
    let mut words: Vec<&OsStr> = scene.words.iter().map(OsStr::new).collect();
    let mut shown: Vec<String> = scene.words.iter().map(|word| typed(word)).collect();
    if scene.words.first() == Some(&"lab") {
        words.extend([OsStr::new("--dir"), lab.dir.as_os_str()]);
        shown.extend(["--dir".to_owned(), lab.word()]);
    }
    say(&format!("$ mco {}", shown.join(" ")))?;
    let program = std::env::current_exe().map_err(|error| lab.failure(&error))?;
    let status = Command::new(program)
        .args(words)
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

fn temporary() -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    std::env::temp_dir().join(format!("marcato-demo-{}-{}", std::process::id(), now.as_millis()))
}

fn say(line: &str) -> Result<(), Failure> {
    words::print(&format!("{line}\n"))
}
