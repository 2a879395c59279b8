//! The whole way of an order over real connections: operator, broker, hub, nodes, processes; on our
//! broker and on every nats-server that is given.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use marcato_client::core::{Earlier, KnownNode, Standing};
use marcato_core::{Changed, EndState, Exit, Identity, Timestamp};
use marcato_protocol::keys::OpenKey;
use marcato_protocol::message::{Kind, Message};
use serde_json::json;
use support::forge::Forge;
use support::wire::Wire;
use support::*;

/// A fleet on each broker, one after the other.
async fn on_each(nodes: &[&str], test: impl AsyncFn(Fleet)) {
    for broker in brokers::kinds() {
        let fleet = Fleet::start(Plan { broker, hub: true, nodes }).await;
        fleet.introduce("operator");
        test(fleet).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads() {
    on_each(&["db1", "web1", "web2"], async |fleet| {
        let report = fleet.run("rpcutil ping", "").await;
        assert_eq!((line(&report).as_str(), report.exit()), ("db1 Ok, web1 Ok, web2 Ok", Exit::Ok));
        assert_eq!(report.expected, Some(3));
        let mut client = fleet.client().await;
        let names = async |client: &mut Client, with: &str| -> Vec<String> {
            let found = client.find(with).await;
            assert!(found.complete);
            found.nodes.into_iter().map(|(name, _)| name.to_string()).collect()
        };
        assert_eq!(names(&mut client, "role=web").await, ["web1", "web2"]);
        assert_eq!(names(&mut client, "hagroup=g1").await, ["db1", "web1"]);
        assert_eq!(names(&mut client, "role=nothing").await, [""; 0]);
        let report = client.run(client.task("package status package=openssl", "role=web")).await;
        assert_eq!(line(&report), "web1 Ok, web2 Ok");
        for node in &report.nodes {
            assert_eq!((&node.data["version"], node.changed), (&json!(OPENSSL), Changed::False));
        }
        let report = client.run(client.task("package status package=opensl", "")).await;
        assert_eq!(line(&report), "db1 Ok absent, web1 Ok absent, web2 Ok absent");
        assert_eq!(report.exit(), Exit::Nothing);
        let report = client.run(client.task("rpcutil get_fact fact=hagroup", "role=web")).await;
        let values: Vec<_> = report.nodes.iter().map(|node| &node.data["value"]).collect();
        assert_eq!(values, [&json!("g1"), &json!("g2")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_on_a_set() {
    on_each(&["db1", "web1", "web2"], async |fleet| {
        let report = fleet.run("service restart service=nginx", "hagroup=g1").await;
        assert_eq!((line(&report).as_str(), report.exit()), ("db1 Ok absent, web1 Ok", Exit::Ok));
        let web1 = of(&report, "web1");
        assert_eq!((&web1.data["before"], &web1.data["after"]), (&json!(500), &json!(501)));
        assert_eq!((web1.changed, of(&report, "db1").changed), (Changed::True, Changed::False));
        assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);
        fleet.assert_untouched(&["db1", "web2"]);
        let report = fleet.run("service status service=nginx", "role=web").await;
        assert_eq!(of(&report, "web1").data["main_pid"], json!(501));
    })
    .await;
}

/// Left in order or killed: named as down without waiting for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_not_connected() {
    on_each(&["web1", "web2", "web3"], async |mut fleet| {
        fleet.stop_node("web1").await;
        fleet.kill_node("web2").await;
        for words in ["rpcutil ping", "service restart service=nginx"] {
            let begun = Instant::now();
            let report = fleet.run(words, "").await;
            let want = "web1 Down not-connected, web2 Down not-connected, web3 Ok";
            assert_eq!((line(&report).as_str(), report.exit()), (want, Exit::Silent));
            // The wait is 20 s: it was not waited for.
            assert!(begun.elapsed() < Duration::from_secs(10), "{words}");
        }
        assert_eq!(fleet.pid("web3", "nginx"), NGINX_PID + 1);
        fleet.assert_untouched(&["web1", "web2"]);
        // Whoever left in order is known to be down; a filter finds it all the same.
        let mut client = fleet.client().await;
        let found = client.find("").await;
        assert!(found.nodes[0].1.is_some());
        assert_eq!(found.nodes.len(), 3);
    })
    .await;
}

/// Packets are lost, and nobody knows yet: the node is named at the end of the wait, and no sooner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_link() {
    on_each(&["web1", "web2"], async |fleet| {
        fleet.middle.cut("node web1");
        let mut client = fleet.client().await;
        for (words, waits) in [("rpcutil ping", 1), ("service restart service=nginx", 2)] {
            let mut task = client.task(words, "");
            task.wait = secs(waits);
            let begun = Instant::now();
            let report = client.run(task).await;
            assert_eq!(line(&report), "web1 NoResponse silent, web2 Ok");
            assert_eq!(report.exit(), Exit::Silent);
            assert!(begun.elapsed() >= secs(waits).as_duration());
            let is_change = words.starts_with("service");
            let until = of(&report, "web1").may_start_until;
            assert_eq!(until.is_some(), is_change, "a change may start yet");
        }
        fleet.assert_untouched(&["web1"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_starts_again() {
    on_each(&["web1", "web2"], async |mut fleet| {
        assert_eq!(fleet.run("rpcutil ping", "").await.exit(), Exit::Ok);
        fleet.stop_broker().await;
        fleet.start_broker();
        // Hub and nodes connect again by themselves.
        fleet.until_answered("rpcutil ping").await;
        let report = fleet.run("service restart service=nginx", "").await;
        assert_eq!(line(&report), "web1 Ok, web2 Ok");
        for node in ["web1", "web2"] {
            assert_eq!(fleet.pid(node, "nginx"), NGINX_PID + 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_starts_again() {
    on_each(&["web1", "web2"], async |mut fleet| {
        fleet.stop_hub().await;
        // Without a hub nobody knows whom to expect; whoever is there answers.
        let report = fleet.run("rpcutil ping", "").await;
        assert_eq!((line(&report).as_str(), report.expected), ("web1 Ok, web2 Ok", None));
        fleet.start_hub();
        fleet.until_registered().await;
        let report = fleet.run("rpcutil ping", "").await;
        assert_eq!((line(&report).as_str(), report.expected), ("web1 Ok, web2 Ok", Some(2)));
    })
    .await;
}

/// A broker alone, without a hub.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bare() {
    for broker in brokers::kinds() {
        let mut fleet =
            Fleet::start(Plan { broker, hub: false, nodes: &["db1", "web1", "web2"] }).await;
        fleet.until_connected().await;
        let mut client = fleet.client().await;
        let found = client.find("role=web").await;
        let names: Vec<&str> = found.nodes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, found.complete), (vec!["web1", "web2"], false));
        let report = client.run(client.task("package status package=openssl", "")).await;
        assert_eq!(line(&report), "db1 Ok, web1 Ok, web2 Ok");
        assert_eq!((report.expected, report.exit()), (None, Exit::Ok));
        let report = client.run(client.task("service restart service=nginx", "role=web")).await;
        assert_eq!((line(&report).as_str(), report.expected), ("web1 Ok, web2 Ok", None));
        assert_eq!(fleet.pid("web2", "nginx"), NGINX_PID + 1);
        fleet.assert_untouched(&["db1"]);
        for node in ["db1", "web1", "web2"] {
            fleet.stop_node(node).await;
        }
        let report = client.run(client.task("rpcutil ping", "")).await;
        assert_eq!((report.nodes.len(), report.exit()), (0, Exit::NoAnswer));
    }
}

/// Executables in a folder: the one of the ancestor's documentation, and one that does what none
/// should.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external_agents() {
    let mut fleet = Fleet::bare(&brokers::Kind::Ours).await;
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/tests/plugins");
    let agents = fleet.dir().join("agents");
    std::fs::create_dir(&agents).unwrap();
    for name in ["helloworld", "rogue"] {
        // By another process: what this one has open for writing cannot be executed.
        for (file, mode) in [(name.to_owned(), "0755"), (format!("{name}.json"), "0644")] {
            let mut install = Command::new("install");
            install.args(["-m", mode]).arg(plugins.join(&file)).arg(agents.join(&file));
            assert!(install.status().unwrap().success());
        }
    }
    fleet.start_hub();
    fleet.join("web2", AUTHORITY);
    fleet.start_node("web2").await;
    fleet.with_agents(agents);
    fleet.join("web1", AUTHORITY);
    fleet.start_node("web1").await;
    fleet.until_registered().await;
    let mut client = fleet.client().await;
    for name in ["helloworld", "rogue"] {
        client.learn(&std::fs::read(plugins.join(format!("{name}.json"))).unwrap());
    }
    let report = client.run(client.task("helloworld ping msg=hi", "")).await;
    let web1 = of(&report, "web1");
    assert_eq!((web1.state, &web1.data["result"]), (EndState::Ok, &json!("hi")));
    // It does not say that it only reads.
    assert_eq!((web1.changed, report.nodes.len()), (Changed::Unknown, 1));
    let lacking: Vec<&str> = report.not_capable.iter().map(Identity::as_str).collect();
    assert_eq!(lacking, ["web2"]);
    let mark = fleet.dir().join("mark").display().to_string();
    let report = client.run(client.task(&format!("rogue flood mark={mark}"), "")).await;
    assert_eq!(line(&report), "web1 Failed agent");
    let report = client.run(client.task(&format!("rogue hang mark={mark}"), "")).await;
    assert_eq!(line(&report), "web1 TimedOut run-limit");
    let left = || Command::new("pgrep").arg("-f").arg(&mark).output().unwrap().stdout;
    until("nothing of it is left", || left().is_empty()).await;
    let report = client.run(client.task("rpcutil ping", "")).await;
    assert_eq!(line(&report), "web1 Ok, web2 Ok");
}

/// An agent that ends when it is told to, with more outputs than are fetched of a receipt.
const PATIENT: &str = r#"#!/bin/sh
case $CHORIA_EXTERNAL_PROTOCOL in
*activation_request) echo '{"activate": true}' >"$CHORIA_EXTERNAL_REPLY"; exit ;;
esac
mark=$(sed -n 's/.*"mark":"\([^"]*\)".*/\1/p' "$CHORIA_EXTERNAL_REQUEST")
: >"$mark.runs"
while [ ! -e "$mark" ]; do sleep 0.01; done
{
    printf '{"statuscode": 0, "statusmsg": "OK", "data": {"text": "'
    head -c 200000 /dev/zero | tr '\0' x
    printf '"}}'
} >"$CHORIA_EXTERNAL_REPLY"
"#;

fn patient_ddl() -> Vec<u8> {
    let mark = json!({"prompt": "p", "description": "d", "type": "string", "optional": false,
        "validation": "^[a-zA-Z0-9/._-]+$", "maxlength": 200});
    let ddl = json!({
        "metadata": {"name": "patient", "description": "d", "author": "a", "license": "l",
            "version": "1.0.0", "url": "u", "timeout": 60},
        "actions": [{"action": "end", "description": "d", "display": "always", "effect": "change",
            "input": {"mark": mark}, "output": {"text": {"description": "d", "display_as": "d"}}}],
    });
    serde_json::to_vec(&ddl).unwrap()
}

/// Whoever goes back to a job asks once, and then hears how it ends: whole, however long that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_overheard() {
    let mut fleet = Fleet::bare(&brokers::Kind::Ours).await;
    let (agents, mark) = (fleet.dir().join("agents"), fleet.dir().join("mark"));
    std::fs::create_dir(&agents).unwrap();
    std::fs::write(agents.join("patient.json"), patient_ddl()).unwrap();
    std::fs::write(fleet.dir().join("script"), PATIENT).unwrap();
    // By another process: what this one has open for writing cannot be executed.
    let mut install = Command::new("install");
    install.args(["-m", "0755"]).arg(fleet.dir().join("script")).arg(agents.join("patient"));
    assert!(install.status().unwrap().success());
    fleet.with_agents(agents);
    fleet.start_hub();
    fleet.join("web1", AUTHORITY);
    fleet.start_node("web1").await;
    fleet.until_registered().await;

    let mut client = fleet.client().await;
    client.learn(&patient_ddl());
    let task = client.task(&format!("patient end mark={}", mark.display()), "");
    let choice = client.choose(&task).await;
    let (order, reader) = (choice.order(), choice.reader().to_text());
    let (gone, runs) = (client.fleet.interrupter(), mark.with_extension("runs"));
    let leave = async {
        until("it runs", || runs.exists()).await;
        gone.interrupt();
    };
    let (report, ()) = tokio::join!(client.send(task, choice), leave);
    assert!(report.interrupted);
    client.close().await;

    let mut client = fleet.client().await;
    client.fleet.overhear(order);
    let report = client.run(client.task(&format!("job progress order={order}"), "")).await;
    assert_eq!(of(&report, "web1").data["state"], "running");
    std::fs::write(&mark, "").unwrap();
    let reader = OpenKey::from_text(&reader).unwrap();
    let earlier = Earlier { order, reader: Some(&reader) };
    let ended = loop {
        let until = tokio::time::Instant::now() + Duration::from_secs(30);
        let message = client.fleet.overheard(until).await.expect("it hangs");
        let key = |node: &Identity| client.fleet.directory().get(node).map(KnownNode::sign);
        let heard = earlier.overheard(&message, key, Timestamp::default()).unwrap();
        if let Standing::Ended(line) = heard.standing {
            break line;
        }
    };
    assert_eq!((ended.state, ended.data["text"].as_str().unwrap().len()), (EndState::Ok, 200_000));
}

/// The receipt of a change is lost on its way, and the node ends: the next one still has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_again() {
    on_each(&["web1"], async |mut fleet| {
        let is_receipt = |message: &Message| message.headers.kind() == Some(Kind::Receipt);
        fleet.middle.rule(move |message| if is_receipt(&message) { vec![] } else { vec![message] });
        let mut wire = Wire::tap(&fleet).await;
        let order = Forge::new(&fleet, "service restart service=nginx", &["web1"]).to("web1");
        wire.send(&order).await;
        fleet.middle.until_seen(1, is_receipt).await;
        fleet.stop_node("web1").await;
        fleet.middle.pass();
        fleet.start_node("web1").await;
        let outer = wire.receipt(&order).await;
        assert_eq!((outer.state, outer.changed), (EndState::Ok, Changed::True));
        assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);
    })
    .await;
}
