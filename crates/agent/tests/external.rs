//! External agents as children of this process and of runners: what they are given, what becomes of
//! their answers, and which are refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use kit::{Kit, call, mode, processes_with, until};
use marcato_agent::external::Unfit;
use marcato_agent::{ActionResult, Agent, Catalog, Outcome};
use marcato_core::{Changed, Reason};
use serde_json::{Value, json};

#[tokio::test]
async fn an_agent_of_the_ancestor_runs_unchanged() {
    let kit = Kit::new(&["helloworld"]);
    let outcome = kit.call("helloworld", "ping", json!({"msg": "hi"})).await;
    // Its declaration has no effect, so it counts as a change of which nothing is known.
    let want = json!({"result": "hi", "count": 1});
    let want = Outcome::ok(want.as_object().unwrap().clone()).changing(Changed::Unknown);
    assert_eq!(outcome, want);
    let left: Vec<_> = std::fs::read_dir(&kit.host.scratch).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn it_gets_the_request_and_nothing_else() {
    let kit = Kit::new(&["witness"]);
    let outcome = kit.call("witness", "look", json!({})).await;
    assert_eq!((outcome.result, outcome.changed), (ActionResult::Ok, Changed::False));
    let seen = Value::Object(outcome.data);
    let folder = seen["folder"].as_str().unwrap();
    assert!(folder.starts_with(kit.host.scratch.to_str().unwrap()));
    let request = format!("{folder}/request.json");
    let reply = format!("{folder}/reply.json");
    let protocol = "io.choria.mcorpc.external.v1.rpc_request";
    assert_eq!(seen["arguments"], json!([request, reply, protocol]));
    let variables = json!({
        "CHORIA_EXTERNAL_REQUEST": request,
        "CHORIA_EXTERNAL_REPLY": reply,
        "CHORIA_EXTERNAL_PROTOCOL": protocol,
        "CHORIA_EXTERNAL_CONFIG": kit.host.settings.join("witness.cfg"),
        "CHORIA_EXTERNAL_FACTS": format!("{folder}/facts.json"),
        "PATH": marcato_agent::external::DEFAULT_PATH,
    });
    assert_eq!(seen["variables"], variables);
    assert_eq!((&seen["mode"], &seen["leader"]), (&json!("0o700"), &json!(true)));
    assert_eq!((&seen["stdin"], &seen["facts"]), (&json!(""), &json!({"role": "web"})));
    let request = json!({
        "$schema": "https://choria.io/schemas/mcorpc/external/v1/rpc_request.json",
        "protocol": protocol,
        "agent": "witness",
        "action": "look",
        "requestid": "07".repeat(16),
        "senderid": "ops@example.com",
        "callerid": "ops@example.com",
        "collective": "lab",
        "ttl": 5,
        "msgtime": 1_700_000_000,
        "data": {},
    });
    assert_eq!(seen["request"], request);
}

/// One action of the witness, as child of this process: its reason and a part of its message.
async fn check(action: &str, reason: Reason, changed: Changed, part: &str) {
    let kit = Kit::new(&["witness"]);
    let agent = kit.host.open(&"witness".parse().unwrap()).unwrap();
    let outcome = agent.call(&call("witness", action, json!({}))).await;
    let got = (outcome.result, outcome.reason, outcome.changed);
    assert_eq!(got, (ActionResult::Failed, Some(reason), changed), "{action}: {outcome:?}");
    assert!(outcome.message.contains(part), "{action}: {}", outcome.message);
}

#[tokio::test]
async fn what_is_no_good_answer_fails() {
    check("refuse", Reason::Action, Changed::False, "not today").await;
    check("crash", Reason::Agent, Changed::Unknown, "exit status: 3").await;
    check("mute", Reason::Agent, Changed::False, "no reply").await;
    check("link", Reason::Agent, Changed::False, "reply").await;
    check("pipe", Reason::Agent, Changed::False, "not a regular file").await;
    check("large", Reason::Agent, Changed::False, "longer than 4194304 bytes").await;
}

#[tokio::test]
async fn an_agent_may_say_that_it_does_not_work_here() {
    let kit = Kit::new(&["witness", "helloworld"]);
    std::fs::write(kit.host.settings.join("witness.cfg"), "").unwrap();
    let mut catalog = Catalog::new();
    let left_out = kit.host.load(Some(&kit.launch()), &mut catalog).await;
    assert_eq!(catalog.names().map(ToString::to_string).collect::<Vec<_>>(), ["helloworld"]);
    assert_eq!(left_out[0].to_string(), "external agent witness: not active on this host");
}

#[tokio::test]
async fn agents_are_asked_side_by_side_whether_they_work_here() {
    let kit = Kit::new(&["helloworld"]);
    // Each answers once the other has been asked too.
    for (name, other) in [("one", "two"), ("two", "one")] {
        let (one, two) = (kit.at(name), kit.at(other));
        let script = format!(
            "#!/bin/sh\n: > {}.asked\nuntil [ -e {}.asked ]; do :; done\n\
             echo '{{\"activate\":true}}' > \"$2\"\n",
            one.display(),
            two.display()
        );
        kit.install(name, &script, "0755");
        let ddl = std::fs::read_to_string(kit.at("helloworld.json")).unwrap();
        kit.install(
            &format!("{name}.json"),
            &ddl.replace("\"helloworld\"", &format!("{name:?}")),
            "0644",
        );
    }
    let names: Vec<String> = kit.catalog().await.names().map(ToString::to_string).collect();
    assert_eq!(names, ["helloworld", "one", "two"]);
}

#[test]
fn a_folder_is_checked_without_asking_anybody() {
    let kit = Kit::new(&["witness", "helloworld"]);
    std::fs::write(kit.host.settings.join("witness.cfg"), "").unwrap();
    assert!(kit.host.check(&Catalog::new()).is_empty());
    mode(&kit.at("witness"), 0o775);
    let found = kit.host.check(&Catalog::new());
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("external agent witness: "), "{}", found[0]);
}

/// What is wrong with the witness after `spoil`, by a part of the error.
fn refused(part: &str, spoil: impl FnOnce(&Kit)) {
    let kit = Kit::new(&["witness"]);
    spoil(&kit);
    let error = kit.host.open(&"witness".parse().unwrap()).expect_err(part);
    assert!(error.to_string().contains(part), "want {part:?}, got {error}");
}

fn link(from: &std::path::Path) {
    let to = from.with_extension("elsewhere");
    std::fs::rename(from, &to).unwrap();
    std::os::unix::fs::symlink(&to, from).unwrap();
}

#[test]
fn files_that_others_could_have_written_are_refused() {
    refused("mode 0775", |kit| mode(&kit.at("witness"), 0o775));
    refused("mode 0757", |kit| mode(&kit.at("witness"), 0o757));
    refused("mode 0664", |kit| mode(&kit.at("witness.json"), 0o664));
    refused("mode 0777", |kit| mode(&kit.host.agents, 0o777));
    refused("mode 0770", |kit| mode(kit.dir.path(), 0o770));
    refused("chmod +x", |kit| mode(&kit.at("witness"), 0o644));
    refused("symbolic link", |kit| link(&kit.at("witness")));
    refused("symbolic link", |kit| link(&kit.at("witness.json")));
    refused("No such file", |kit| std::fs::remove_file(kit.at("witness")).unwrap());
    refused("No such file", |kit| std::fs::remove_file(kit.at("witness.json")).unwrap());
    refused("not a regular file", |kit| {
        std::fs::remove_file(kit.at("witness.json")).unwrap();
        std::fs::create_dir(kit.at("witness.json")).unwrap();
    });
    refused("longer than", |kit| {
        std::fs::write(kit.at("witness.json"), " ".repeat(300_000)).unwrap();
    });
    refused("it is rogue", |kit| {
        let rogue = include_bytes!("plugins/rogue.json");
        std::fs::write(kit.at("witness.json"), rogue).unwrap();
    });
    if rustix::process::geteuid().is_root() {
        let nobody = Some(rustix::fs::Uid::from_raw(65534));
        refused("belongs to user 65534", |kit| {
            rustix::fs::chown(kit.at("witness"), nobody, None).unwrap();
        });
        refused("belongs to user 65534", |kit| {
            rustix::fs::chown(&kit.host.agents, nobody, None).unwrap();
        });
    }
}

#[test]
fn names_that_the_ancestor_keeps_are_refused() {
    let kit = Kit::new(&[]);
    for name in ["rpcutil", "choria_util", "discovery", "scout"] {
        assert!(matches!(kit.host.open(&name.parse().unwrap()), Err(Unfit::Reserved)), "{name}");
    }
}

#[test]
fn the_executable_may_lie_in_a_folder_by_architecture() {
    let kit = Kit::new(&["witness"]);
    let single = std::fs::read(kit.at("witness")).unwrap();
    std::fs::remove_file(kit.at("witness")).unwrap();
    std::fs::create_dir(kit.at("witness")).unwrap();
    for arch in ["amd64", "arm64", "386", "ppc64le"] {
        let path = kit.at(&format!("witness/witness-linux_{arch}"));
        std::fs::write(&path, &single).unwrap();
        mode(&path, 0o755);
    }
    let agent = kit.host.open(&"witness".parse().unwrap()).unwrap();
    assert!(agent.program().to_str().unwrap().contains("/witness/witness-linux_"));
}

#[tokio::test]
async fn a_rogue_leaves_no_process() {
    let kit = Kit::new(&["rogue"]);
    let mark = kit.dir.path().join("flooded");
    let outcome = kit.call("rogue", "flood", json!({"mark": mark})).await;
    assert_eq!(outcome.reason, Some(Reason::Agent), "{outcome:?}");
    assert!(outcome.message.contains("longer than"), "{}", outcome.message);
    assert!(mark.exists(), "it came to its end");
    assert_eq!(processes_with(mark.to_str().unwrap()), [0_i32; 0]);
}

#[tokio::test]
async fn a_rogue_that_does_not_end_is_ended() {
    let kit = Kit::new(&["rogue"]);
    let mark = kit.dir.path().join("hanging");
    let catalog = kit.catalog().await;
    let mut call = call("rogue", "hang", json!({"mark": mark}));
    call.limit = marcato_core::Span::from_secs(2);
    let runners = || processes_with(kit.host.scratch.to_str().unwrap());
    let peak = async {
        until("it has written everything", || mark.exists()).await;
        runners().into_iter().map(peak_kib).max().unwrap()
    };
    let (outcome, peak) = tokio::join!(catalog.call(&call), peak);
    let got = (outcome.result, outcome.reason, outcome.changed);
    let want = (ActionResult::TimedOut, Some(Reason::RunLimit), Changed::Unknown);
    assert_eq!(got, want, "{outcome:?}");
    assert_eq!(outcome.message, "ended after 2.5 s", "its declaration says 1 s");
    assert_eq!(processes_with(mark.to_str().unwrap()), [0_i32; 0]);
    assert!(peak < 32 * 1024, "30 MiB were written, the runner took {peak} KiB");
}

#[tokio::test]
async fn an_agent_that_heeds_term_is_not_killed() {
    let kit = Kit::new(&["witness"]);
    let mark = kit.dir.path().join("tidy");
    let mut call = call("witness", "heed", json!({"file": mark}));
    call.limit = marcato_core::Span::from_secs(2);
    let agent = kit.host.open(&"witness".parse().unwrap()).unwrap();
    let begin = std::time::Instant::now();
    let outcome = agent.call(&call).await;
    let got = (outcome.result, outcome.reason, outcome.changed);
    let want = (ActionResult::TimedOut, Some(Reason::RunLimit), Changed::Unknown);
    assert_eq!(got, want, "{outcome:?}");
    assert_eq!(outcome.message, "ended after 3.5 s");
    assert!(begin.elapsed().as_secs_f32() >= 3.5, "not before its limit");
    assert!(mark.exists(), "it was told, and had the time to tidy up");
}

#[tokio::test]
async fn a_read_ends_when_nobody_waits_for_it() {
    let kit = Kit::new(&["witness"]);
    let mark = kit.dir.path().join("holding");
    let catalog = kit.catalog().await;
    let mut call = call("witness", "hold", json!({"file": mark}));
    call.limit = marcato_core::Span::from_secs(1000);
    tokio::select! {
        outcome = catalog.call(&call) => panic!("{outcome:?}"),
        () = until("it has begun", || mark.exists()) => {}
    }
    let here = kit.dir.path().to_str().unwrap();
    until("its processes are gone", || processes_with(here).is_empty()).await;
    let left: Vec<_> = std::fs::read_dir(&kit.host.scratch).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_change_that_ends_well_may_leave_a_daemon() {
    let kit = Kit::new(&["rogue"]);
    let mark = kit.dir.path().join("serving");
    let outcome = kit.call("rogue", "serve", json!({"mark": mark})).await;
    assert_eq!(outcome.result, ActionResult::Ok, "{outcome:?}");
    let left = processes_with(mark.to_str().unwrap());
    assert_eq!(left.len(), 1, "the daemon lives");
    let group = rustix::process::Pid::from_raw(left[0]).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
}

/// The most memory that a process ever had, in KiB.
fn peak_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}
