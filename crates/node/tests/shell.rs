//! Nodes at work: a real broker, real files, real processes for changes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fleet;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use marcato_agent::Outcome;
use marcato_agent::external::Host;
use marcato_agent::runner::{self, Launch};
use marcato_core::{Changed, EndState, Reason};
use marcato_node::shell::{
    Start, StateError, check, daemon, install_certificate, now, request_certificate,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use fleet::{Client, Demo, Fleet, demo_agents};

/// The process of a change is this very program with this test and a folder: it does the change.
/// Run as a test, without a folder, it shows that nothing is done then.
#[test]
fn change_process() {
    let dir = PathBuf::from(std::env::args().next_back().unwrap());
    let is_run = dir.join("call.json").exists();
    if is_run {
        let nowhere = PathBuf::from("/nonexistent");
        let host = Host {
            agents: nowhere.clone(),
            settings: nowhere.clone(),
            scratch: nowhere,
            path: "/usr/bin:/bin".into(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(runner::run(&dir, &demo_agents(), &host)).unwrap();
    }
    assert_eq!(dir.join("outcome.json").exists(), is_run);
}

pub(crate) fn launch() -> Arc<Launch> {
    let arguments = ["change_process", "--exact"].map(Into::into).to_vec();
    Arc::new(Launch { program: std::env::current_exe().unwrap(), arguments })
}

/// Waits until another process reads from this pipe.
async fn opened(pipe: &Path) -> std::fs::File {
    let (path, (sender, opened)) = (pipe.to_owned(), tokio::sync::oneshot::channel());
    std::thread::spawn(move || sender.send(std::fs::File::options().write(true).open(path)));
    soon(opened).await.unwrap().unwrap()
}

/// Nothing here takes so long.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it hangs")
}

#[tokio::test]
async fn many_nodes_share_a_process_and_answer() {
    let fleet = Fleet::start().await;
    let names = ["web1.example.com", "web2.example.com", "db1.example.com"];
    let mut client = Client::connect(&fleet).await;
    let nodes = names.map(|name| fleet.joined(name).run());
    client.until_heartbeats(&names, false).await;
    let order = client.order("demo", "look", &[]);
    client.send_matching(&order).await;
    let mut answered = Vec::new();
    while answered.len() < names.len() {
        let answer = client.receipt(&fleet).await;
        assert_eq!((answer.state, answer.reason), (EndState::Ok, None));
        assert_eq!(answer.inner.data["node_facts"], "3");
        answered.push(answer.node);
    }
    answered.sort();
    assert_eq!(answered, ["db1.example.com", "web1.example.com", "web2.example.com"]);
    for (handle, _) in &nodes {
        handle.stop();
    }
    client.until_heartbeats(&names, true).await;
    for (_, work) in nodes {
        soon(work).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_change_outlives_its_daemon_and_runs_once() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let mut client = Client::connect(&fleet).await;
    let (handle, work) = fleet.joined(name).run();
    client.until_heartbeat(name, false).await;

    let gate = fleet.fifo("gate");
    let done = fleet.dir().join("done");
    let inputs = [("gate", gate.to_str().unwrap()), ("done", done.to_str().unwrap())];
    let order = client.order("demo", "change", &inputs);
    client.send_set(&order, &fleet, name).await;
    client.progress().await;
    let runs = fleet.places(name).state.join("runs");

    // The daemon ends in the middle of it; the next one takes it up.
    handle.stop();
    soon(work).await.unwrap().unwrap();
    client.until_heartbeat(name, true).await;
    let (handle, work) = fleet.start_node(name, demo_agents()).unwrap().run();
    client.until_heartbeat(name, false).await;
    client.send_set(&order, &fleet, name).await;
    assert_eq!(client.said(&fleet).await, "waiting at the gate", "what its process says goes on");
    // It waits for a reader, which this very runtime may be about to start.
    let opened = std::thread::spawn(move || std::fs::write(&gate, "go"));
    let first = client.receipt(&fleet).await;
    opened.join().unwrap().unwrap();
    assert_eq!((first.state, first.inner.message.as_str()), (EndState::Ok, "changed"));

    // The same bytes again: the same answer, and nothing else.
    client.send_set(&order, &fleet, name).await;
    assert_eq!(client.receipt(&fleet).await.bytes(), first.bytes());
    handle.stop();
    soon(work).await.unwrap().unwrap();
    let (handle, work) = fleet.start_node(name, demo_agents()).unwrap().run();
    client.until_heartbeat(name, false).await;
    // Sent again unasked by the new daemon; and by the copy.
    assert_eq!(client.receipt(&fleet).await.message.body, first.message.body);
    client.send_set(&order, &fleet, name).await;
    assert_eq!(client.receipt(&fleet).await.message.body, first.message.body);
    assert_eq!(std::fs::read_to_string(&done).unwrap(), "changed\n");
    assert_eq!(std::fs::read_dir(&runs).unwrap().count(), 0);
    handle.stop();
    soon(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_keeps_no_daemon_from_its_start() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let mut client = Client::connect(&fleet).await;
    let (handle, work) = fleet.joined(name).run();
    client.until_heartbeat(name, false).await;
    let gate = fleet.fifo("gate");
    let done = fleet.dir().join("done");
    let inputs = [("gate", gate.to_str().unwrap()), ("done", done.to_str().unwrap())];
    let order = client.order("demo", "change", &inputs);
    client.send_set(&order, &fleet, name).await;
    let opened = opened(&gate).await;
    handle.stop();
    soon(work).await.unwrap().unwrap();
    let run = fleet.places(name).state.join(format!("runs/{}-0", order.id));
    std::fs::write(run.join("outcome.json"), "half an outc").unwrap();
    let (handle, work) = fleet.start_node(name, demo_agents()).unwrap().run();
    let answer = client.receipt(&fleet).await;
    assert_eq!((answer.state, answer.reason), (EndState::Interrupted, Some(Reason::RunnerGone)));
    assert_eq!(answer.changed, Changed::Unknown);
    handle.stop();
    soon(work).await.unwrap().unwrap();
    // What runs there ends by itself.
    drop(opened);
}

#[tokio::test]
async fn a_change_of_which_only_the_journal_was_lost_is_told_as_it_went() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let mut client = Client::connect(&fleet).await;
    let (handle, work) = fleet.joined(name).run();
    client.until_heartbeat(name, false).await;
    let order = client.order("demo", "change", &[("gate", "/x"), ("done", "/x")]);
    let run = fleet.places(name).state.join(format!("runs/{}-0", order.id));
    std::fs::create_dir(&run).unwrap();
    std::fs::write(run.join("call.json"), "{}").unwrap();
    let outcome = Outcome::ok(serde_json::Map::new()).changing(Changed::True).saying("before");
    std::fs::write(run.join("outcome.json"), serde_json::to_vec(&outcome).unwrap()).unwrap();
    client.send_set(&order, &fleet, name).await;
    let answer = client.receipt(&fleet).await;
    assert_eq!((answer.state, answer.changed), (EndState::Ok, Changed::True));
    assert_eq!(answer.inner.message, "before");
    handle.stop();
    soon(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_process_that_cannot_be_started_is_a_failure_that_changed_nothing() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let mut start = fleet.joined(name);
    start.launch = Arc::new(Launch { program: "/nonexistent".into(), arguments: Vec::new() });
    let mut client = Client::connect(&fleet).await;
    let (handle, work) = start.run();
    client.until_heartbeat(name, false).await;
    let order = client.order("demo", "change", &[("gate", "/x"), ("done", "/x")]);
    client.send_set(&order, &fleet, name).await;
    let answer = client.receipt(&fleet).await;
    assert_eq!((answer.state, answer.reason), (EndState::Failed, Some(Reason::Agent)));
    assert_eq!(answer.changed, Changed::False);
    assert!(answer.inner.message.contains("could not be started"), "{}", answer.inner.message);
    handle.stop();
    soon(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_agent_that_panics_fails_alone() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let mut client = Client::connect(&fleet).await;
    let (handle, work) = fleet.joined(name).run();
    client.until_heartbeat(name, false).await;
    for (action, state) in [("panic", EndState::Failed), ("look", EndState::Ok)] {
        let order = client.order("demo", action, &[]);
        client.send_set(&order, &fleet, name).await;
        assert_eq!(client.receipt(&fleet).await.state, state);
    }
    handle.stop();
    soon(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_one_and_is_told() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let mut client = Client::connect(&fleet).await;
    let (handle, work) = fleet.joined(name).run();
    let before = client.until_heartbeat(name, false).await;
    let places = fleet.places(name);
    let policy = places.policy.join("a.policy");
    std::fs::write(&policy, "alow callers=*\nallow\n").unwrap();
    handle.reload(None);
    let after = client.until_changed(name, &before).await;
    let told = client.registration(name).await;
    let want = format!(
        "{}:1: a rule begins with allow or deny, not with \"alow\" (and 1 more); the old one holds",
        policy.display()
    );
    assert_eq!(told.health, [want]);
    let order = client.order("demo", "look", &[]);
    client.send_set(&order, &fleet, name).await;
    assert_eq!(client.receipt(&fleet).await.state, EndState::Ok);

    std::fs::write(&policy, "deny callers=* agents=* actions=*\n").unwrap();
    let text = std::fs::read_to_string(places.config.as_ref().unwrap()).unwrap();
    std::fs::write(places.config.as_ref().unwrap(), text + "read_only = true\n").unwrap();
    handle.reload(Some(Demo::agents()));
    client.until_changed(name, &after).await;
    let told = client.registration(name).await;
    assert_eq!((told.health.len(), told.read_only), (0, true));
    let order = client.order("demo", "look", &[]);
    client.send_set(&order, &fleet, name).await;
    let answer = client.receipt(&fleet).await;
    assert_eq!((answer.state, answer.reason), (EndState::Denied, Some(Reason::Policy)));
    let place = format!("{}:1; ", policy.display());
    assert!(answer.inner.message.starts_with(&place), "{}", answer.inner.message);
    handle.stop();
    soon(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_first_start_makes_keys_and_asks_for_a_certificate() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let (config, places) = (fleet.config(name), fleet.places(name));
    let error = fleet.start_node(name, demo_agents()).err().unwrap();
    assert!(matches!(error, StateError::NoCertificate { .. }), "{error}");
    for secret in ["sign.key", "open.key", "identity"] {
        let mode = mode(&places.state.join(secret));
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    assert_eq!(mode(&places.state) & 0o777, 0o700);

    let request = request_certificate(&config, &places).unwrap();
    let again = request_certificate(&config, &places).unwrap();
    assert_eq!(fleet.claimed(&request).sign, fleet.claimed(&again).sign, "keys are made once");
    let refused = |text: &str, want: &str| {
        let error = install_certificate(&config, &places, text).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(!places.state.join("certificate").exists());
    };
    refused("nonsense", "a body and a signature in base64");
    refused(&request, "not signed by the expected key");
    let other = fleet.places("web2.example.com");
    let request_of_other = request_certificate(&fleet.config("web2.example.com"), &other).unwrap();
    refused(&fleet.sign(&request_of_other), "another node: web2.example.com, not web1.example.com");
    install_certificate(&config, &places, &fleet.sign(&request)).unwrap();
    fleet.start_node(name, demo_agents()).unwrap();
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().unwrap().permissions().mode()
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    drop(fleet.joined(name));
    let places = fleet.places(name);
    let passing = |want: &str| {
        let error = fleet.start_node(name, demo_agents()).err().unwrap();
        assert!(error.to_string().contains(want) && error.is_passing(), "{error}");
    };
    let running = fleet.start_node(name, demo_agents()).unwrap();
    passing("another mcod uses this folder");
    drop(running);
    let (journal, aside) = (places.state.join("journal"), places.state.join("aside"));
    std::fs::rename(&journal, &aside).unwrap();
    std::fs::create_dir(&journal).unwrap();
    passing("Is a directory");
    std::fs::remove_dir(&journal).unwrap();
    std::fs::rename(&aside, &journal).unwrap();
    fleet.start_node(name, demo_agents()).unwrap();
}

#[tokio::test]
async fn what_keeps_a_node_from_starting() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    drop(fleet.joined(name));
    let places = fleet.places(name);
    // The file's owner has to do something, and is told what without a start too.
    let refused = |want: &str| {
        let error = fleet.start_node(name, demo_agents()).err().unwrap();
        assert!(error.to_string().contains(want) && !error.is_passing(), "{error}");
        let found = check(&places);
        assert!(found.iter().any(|line| line.contains(want)), "{want}: {found:?}");
    };
    for text in ["ffffffffffffffffffffffffffffffff\n", "\n"] {
        std::fs::write(&places.machine_id, text).unwrap();
        let clone = "this machine is a clone of web1.example.com";
        refused(if text.len() > 1 { clone } else { "there is no machine-id" });
    }
    std::fs::remove_file(&places.machine_id).unwrap();
    refused("there is no machine-id");
    fleet.write_machine_id(name);

    let node_toml = places.config.clone().unwrap();
    let text = std::fs::read_to_string(&node_toml).unwrap();
    let check_with = |text: String, want: &str| {
        std::fs::write(&node_toml, text).unwrap();
        refused(want);
    };
    let named = "this node is web1.example.com since its first start";
    check_with(text.replace(name, "web9.example.com"), named);
    check_with(
        text.replace("'lab'", "'prod'"),
        "the certificate is for the fleet lab, not for prod",
    );
    std::fs::write(&node_toml, &text).unwrap();

    let spoilt = |file: &str, text: &str, want: &str| {
        let path = places.state.join(file);
        let right = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        refused(want);
        std::fs::write(&path, right).unwrap();
    };
    spoilt("sign.key", "nonsense", "sign.key: ");
    spoilt("open.key", "nonsense", "open.key: ");
    spoilt("identity", "No Name", "identity: ");
    std::fs::write(places.state.join("clock"), "noon").unwrap();
    refused("clock: ");
    std::fs::remove_file(places.state.join("clock")).unwrap();

    let key = places.state.join("sign.key");
    let secret = std::fs::read_to_string(&key).unwrap();
    let shown = places.state.join("shown");
    std::fs::write(&shown, &secret).unwrap();
    std::fs::rename(&shown, &key).unwrap();
    refused("sign.key: others may read it (mode 644): chmod 600");
    std::fs::remove_file(&key).unwrap();
    let found = check(&places);
    assert!(
        found[0].ends_with("sign.key: there is none, and the certificate names it"),
        "{found:?}"
    );
    refused("another sign key");
}

#[tokio::test]
async fn check_names_everything_that_is_wrong() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let places = fleet.places(name);
    let state = format!("{}/", places.state.display());
    let found: Vec<_> = check(&places).iter().map(|line| line.replace(&state, "")).collect();
    assert_eq!(found, ["certificate: there is none; see mcod node --print-request"]);
    drop(fleet.joined(name));
    assert_eq!(check(&places), Vec::<String>::new());
    std::fs::write(places.state.join("certificate"), "x.y").unwrap();
    assert!(check(&places)[0].contains("certificate: a certificate is one line"));
    drop(fleet.joined(name));
    let node_toml = places.config.clone().unwrap();
    let text = std::fs::read_to_string(&node_toml).unwrap();
    std::fs::write(&node_toml, text.replace("collective", "colective")).unwrap();
    std::fs::write(&places.signers, "# nobody\nops ssh-foo AAAA\n").unwrap();
    std::fs::write(places.policy.join("a.policy"), "allow callers=*\n").unwrap();
    std::fs::write(places.policy.join("ignored.txt"), "nonsense").unwrap();
    let found = check(&places);
    let etc = format!("{}/", node_toml.parent().unwrap().display());
    let found: Vec<String> = found.iter().map(|line| line.replace(&etc, "")).collect();
    assert_eq!(found[0], "node.toml:1: unknown key \"colective\"; did you mean \"collective\"?");
    assert!(found[1].starts_with("allowed_signers:2: "), "{found:?}");
    assert!(found[2].starts_with("policy.d/a.policy:1: a rule needs callers="), "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
    std::fs::remove_file(places.policy.join("a.policy")).unwrap();
    std::fs::write(&node_toml, &text).unwrap();
    std::fs::write(&places.facts, "a: b\n- c\n").unwrap();
    let found = check(&places);
    assert!(found.iter().any(|line| line.ends_with("no rule: everything is denied")), "{found:?}");
    assert!(found.iter().any(|line| line.contains("facts.yaml:")), "{found:?}");
}

#[tokio::test]
async fn a_damaged_journal_is_told_and_distrusted() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    drop(fleet.joined(name));
    let places = fleet.places(name);
    let mut client = Client::connect(&fleet).await;
    let old = client.order("demo", "change", &[("gate", "/x"), ("done", "/x")]);
    std::fs::write(places.state.join("journal"), "0123456789abcdef {}\nhalf a rec").unwrap();
    let (handle, work) = fleet.start_node(name, demo_agents()).unwrap().run();
    client.until_heartbeat(name, false).await;
    assert!(places.state.join("journal.damaged").exists());
    client.send_set(&old, &fleet, name).await;
    let answer = client.receipt(&fleet).await;
    assert_eq!((answer.state, answer.reason), (EndState::Rejected, Some(Reason::Journal)));
    handle.stop();
    soon(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_journal_that_is_gone_is_not_a_new_one() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    drop(fleet.joined(name));
    drop(fleet.start_node(name, demo_agents()).unwrap());
    let mut client = Client::connect(&fleet).await;
    let old = client.order("demo", "change", &[("gate", "/x"), ("done", "/x")]);
    std::fs::remove_file(fleet.places(name).state.join("journal")).unwrap();
    let (handle, work) = fleet.start_node(name, demo_agents()).unwrap().run();
    client.until_heartbeat(name, false).await;
    client.send_set(&old, &fleet, name).await;
    let answer = client.receipt(&fleet).await;
    assert_eq!((answer.state, answer.reason), (EndState::Rejected, Some(Reason::Journal)));
    assert_eq!(answer.changed, Changed::Unknown);
    handle.stop();
    soon(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_verified_time_is_kept() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    let mut client = Client::connect(&fleet).await;
    let (handle, work) = fleet.joined(name).run();
    client.until_heartbeat(name, false).await;
    let order = client.order("demo", "look", &[]);
    client.send_set(&order, &fleet, name).await;
    client.receipt(&fleet).await;
    handle.stop();
    soon(work).await.unwrap().unwrap();
    let clock = fleet.places(name).state.join("clock");
    let kept: marcato_core::Timestamp =
        std::fs::read_to_string(clock).unwrap().trim().parse().unwrap();
    assert!(kept <= now() && now().since(kept).as_ms() < 60_000);
}

/// The daemon is this very program with this test and a node's folder.
#[test]
fn daemon_process() {
    let dir = PathBuf::from(std::env::args().next_back().unwrap());
    let node_toml = dir.join("etc/node.toml");
    let is_daemon = node_toml.exists();
    let ended = is_daemon.then(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = |agents| Start { agents, ..fleet::start_at(&node_toml, &dir.join("state")) };
        let gate = dir.join("gate");
        runtime.block_on(daemon(start, async || {
            if gate.exists() {
                let mut pipe = pipe::OpenOptions::new();
                let mut opened = pipe.read_write(true).open_receiver(&gate).unwrap();
                opened.read_u8().await.unwrap();
            }
            Demo::agents()
        }))
    });
    assert!(ended.is_none_or(|ended| ended.is_ok()));
}

fn start_daemon(fleet: &Fleet, name: &str) -> (Child, Pid) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["daemon_process", "--exact"]).arg(fleet.dir().join(name));
    let child = command.kill_on_drop(true).spawn().unwrap();
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    (child, pid)
}

#[tokio::test]
async fn a_daemon_reloads_and_ends_by_signals() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    drop(fleet.joined(name));
    let mut client = Client::connect(&fleet).await;
    let (mut child, pid) = start_daemon(&fleet, name);
    let before = client.until_heartbeat(name, false).await;
    std::fs::write(fleet.places(name).facts, "role: db\n").unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    client.until_changed(name, &before).await;
    assert_eq!(client.registration(name).await.facts["role"], "db");
    kill_process(pid, Signal::TERM).unwrap();
    client.until_heartbeat(name, true).await;
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn a_daemon_heeds_signals_while_it_looks_for_agents() {
    let fleet = Fleet::start().await;
    let name = "web1.example.com";
    drop(fleet.joined(name));
    let mut client = Client::connect(&fleet).await;
    let gate = fleet.fifo(&format!("{name}/gate"));
    let (mut child, pid) = start_daemon(&fleet, name);
    // It looks for agents, and waits for a word.
    let mut word = opened(&gate).await;
    kill_process(pid, Signal::HUP).unwrap();
    word.write_all(b"x").unwrap();
    drop(word);
    client.until_heartbeat(name, false).await;
    // The reload was not forgotten.
    let _word = opened(&gate).await;
    kill_process(pid, Signal::TERM).unwrap();
    assert!(soon(child.wait()).await.unwrap().success());

    let (mut child, pid) = start_daemon(&fleet, name);
    let _word = opened(&gate).await;
    kill_process(pid, Signal::TERM).unwrap();
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn a_node_knows_from_the_beginning_what_programs_print_and_measures_what_is_volatile() {
    let (fleet, name) = (Fleet::start().await, "web1.example.com");
    let joined = fleet.joined(name);
    let root = fleet.places(name).root;
    let folder = root.join("etc/facter/facts.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(root.join("proc")).unwrap();
    std::fs::write(root.join("proc/uptime"), "864000.0 1\n").unwrap();
    let mut options = std::fs::OpenOptions::new();
    let mut program =
        options.write(true).create_new(true).mode(0o755).open(folder.join("own")).unwrap();
    program.write_all(b"#!/bin/sh\necho by_program=yes\n").unwrap();
    drop(program);

    let mut client = Client::connect(&fleet).await;
    let (handle, work) = joined.run();
    client.until_heartbeat(name, false).await;
    let registration = client.registration(name).await;
    assert_eq!(registration.facts["by_program"], "yes");
    assert!(!registration.facts.contains_key("uptime_days"));

    let ask = async |client: &mut Client, term: &str| {
        let mut order = client.order("demo", "look", &[]);
        order.step.as_mut().unwrap().filter.facts = vec![term.to_owned()];
        client.send_set(&order, &fleet, name).await;
        let answer = client.receipt(&fleet).await;
        (answer.state, answer.reason)
    };
    assert_eq!(ask(&mut client, "uptime_days=10").await, (EndState::Ok, None));
    std::fs::write(root.join("proc/uptime"), "86400.0 1\n").unwrap();
    let refused = (EndState::Rejected, Some(Reason::NotMatching));
    assert_eq!(ask(&mut client, "uptime_days=10").await, refused);
    assert_eq!(ask(&mut client, "uptime_days=1").await, (EndState::Ok, None));
    handle.stop();
    soon(work).await.unwrap().unwrap();
}
