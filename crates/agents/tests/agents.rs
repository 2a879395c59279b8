//! The agents through their contract, over the lab's simulated host and this machine's dpkg.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, RwLock};

use marcato_agent::runner::Voice;
use marcato_agent::{ActionResult, Call, Catalog, Outcome};
use marcato_agents::lab::{Host, Lab, LabPackage, LabService};
use marcato_agents::service::Service;
use marcato_agents::{About, Platform, catalog, ddls, introduce};
use marcato_core::{Changed, Facts, OrderId, Reason, Span, Timestamp};
use serde_json::{Map, Value, json};

fn call(agent: &str, action: &str, inputs: Value) -> Call {
    Call {
        order: OrderId::from_bytes([7; 16]),
        caller: "ops@example.com".parse().unwrap(),
        collective: "lab".parse().unwrap(),
        agent: agent.parse().unwrap(),
        action: action.parse().unwrap(),
        inputs: inputs.as_object().unwrap().clone(),
        issued: Timestamp::from_ms(0),
        limit: Span::from_secs(5),
        facts: Arc::new(Facts::from([
            ("role".to_owned(), json!("web")),
            ("os".to_owned(), json!({"release": {"major": 12}, "names": ["a", "b"]})),
            ("a.b".to_owned(), json!("flat")),
        ])),
        voice: Voice::default(),
    }
}

const OLD: &str = "3.0.20-1~deb12u2";
const NEW: &str = "3.0.22-1~deb12u2";

fn host() -> Host {
    let openssl = LabPackage::installed(OLD).offering(Some(NEW.into()));
    let libssl3 = openssl.clone().built_from("openssl");
    Host {
        packages: [("openssl".to_owned(), openssl), ("libssl3".to_owned(), libssl3)].into(),
        services: [("nginx".to_owned(), LabService::up(812).mapping("libssl3", OLD))].into(),
        ..Host::default()
    }
}

fn about() -> About {
    let classes = Arc::new(RwLock::new(vec!["apache".into()]));
    About { version: "0.1.0".into(), classes, ..About::default() }
}

fn lab() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().unwrap();
    Lab::create(dir.path(), &host()).unwrap();
    let catalog = catalog(&Platform::Lab(dir.path().to_owned()), about()).unwrap();
    (dir, catalog)
}

/// Asks the lab's host: the outcome's parts that are not outputs, and the outputs.
async fn ask(agent: &str, action: &str, inputs: Value) -> (Outcome, Value) {
    let (_dir, catalog) = lab();
    let mut outcome = catalog.call(&call(agent, action, inputs)).await;
    let data = Value::Object(std::mem::take(&mut outcome.data));
    (outcome, data)
}

#[test]
fn declarations_are_sound() {
    let ddls = ddls().unwrap();
    let actions: Vec<String> = ddls
        .iter()
        .flat_map(|ddl| {
            ddl.actions.iter().map(|(action, declared)| {
                format!("{}.{action} {}", ddl.metadata.name, declared.effect.word())
            })
        })
        .collect();
    let want = [
        "rpcutil.get_fact read",
        "rpcutil.inventory read",
        "rpcutil.ping read",
        "package.checkupdates read",
        "package.count read",
        "package.install change",
        "package.purge change",
        "package.refresh change",
        "package.repair change",
        "package.search read",
        "package.status read",
        "package.uninstall change",
        "package.update change",
        "service.disable change",
        "service.enable change",
        "service.failed read",
        "service.reload change",
        "service.restart change",
        "service.restart_stale change",
        "service.stale read",
        "service.start change",
        "service.status read",
        "service.stop change",
        "job.cancel change",
        "job.progress read",
        "policy.can read",
    ];
    assert_eq!(actions, want);
}

#[tokio::test]
async fn ping_answers_with_the_time() {
    let before = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (outcome, data) = ask("rpcutil", "ping", json!({})).await;
    let after = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert_eq!(outcome, Outcome::ok(Map::new()));
    assert!((before..=after).contains(&data["pong"].as_u64().unwrap()), "{data}");
}

#[tokio::test]
async fn an_inventory_tells_what_is_there() {
    let (_, data) = ask("rpcutil", "inventory", json!({})).await;
    assert_eq!(data["agents"], json!(["job", "package", "policy", "rpcutil", "service"]));
    assert_eq!((&data["classes"], &data["version"]), (&json!(["apache"]), &json!("0.1.0")));
    assert_eq!(data["facts"]["role"], "web");
    assert_eq!((&data["main_collective"], &data["collectives"]), (&json!("lab"), &json!(["lab"])));
    assert_eq!((&data["data_plugins"], &data["health"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn what_is_wrong_with_a_node_is_told_while_it_is() {
    let about = about();
    let health = about.health.clone();
    let catalog = catalog(&Platform::Native, about).unwrap();
    let told = async |action: &str| {
        catalog.call(&call("rpcutil", action, json!({}))).await.data.get("health").cloned()
    };
    assert_eq!(told("ping").await, None);
    let wrong = "facts.yaml:2: broken; the values read before hold";
    health.write().unwrap().push(wrong.to_owned());
    assert_eq!(told("ping").await, Some(json!([wrong])));
    assert_eq!(told("inventory").await, Some(json!([wrong])));
}

#[tokio::test]
async fn an_inventory_names_what_was_added_later() {
    let names = async |catalog: &Catalog| {
        catalog.call(&call("rpcutil", "inventory", json!({}))).await.data["agents"].clone()
    };
    let mut catalog = Catalog::new();
    introduce(&mut catalog, About::default()).unwrap();
    assert_eq!(names(&catalog).await, json!(["job", "policy", "rpcutil"]));
    let services = Arc::new(Lab::open("/nonexistent".into()));
    catalog.insert(Arc::new(Service::new(services).unwrap()));
    introduce(&mut catalog, About::default()).unwrap();
    assert_eq!(names(&catalog).await, json!(["job", "policy", "rpcutil", "service"]));
}

#[tokio::test]
async fn facts() {
    async fn check(fact: &str, value: Value, reason: Option<Reason>) {
        let (outcome, data) = ask("rpcutil", "get_fact", json!({ "fact": fact })).await;
        assert_eq!((outcome.result, outcome.reason), (ActionResult::Ok, reason), "{fact}");
        assert_eq!(data, json!({ "fact": fact, "value": value }));
    }
    check("role", json!("web"), None).await;
    check("os.release.major", json!(12), None).await;
    check("os.names.1", json!("b"), None).await;
    check("a.b", json!("flat"), None).await;
    check("roel", Value::Null, Some(Reason::NoValue)).await;
    check("os.release.minor", Value::Null, Some(Reason::NoValue)).await;
    check("role.x", Value::Null, Some(Reason::NoValue)).await;
}

#[tokio::test]
async fn packages() {
    let (outcome, data) = ask("package", "status", json!({"package": "openssl"})).await;
    assert_eq!(outcome, Outcome::ok(Map::new()));
    let want = json!({
        "ensure": "3.0.20-1~deb12u2", "version": "3.0.20-1~deb12u2", "name": "openssl",
        "arch": "amd64", "state": "installed", "held": false, "others": [], "source": "openssl",
        "siblings": {}, "provider": "dpkg",
    });
    assert_eq!(data, want);
    let (outcome, data) = ask("package", "status", json!({"package": "opnessl"})).await;
    assert_eq!(outcome, Outcome::ok(Map::new()).because(Reason::Absent));
    assert_eq!((&data["ensure"], &data["arch"]), (&json!("absent"), &json!("")));
    let (outcome, _) = ask("package", "status", json!({"package": "-x"})).await;
    assert_eq!((outcome.result, outcome.reason), (ActionResult::Failed, Some(Reason::Inputs)));
}

/// What an update of openssl comes to on a host that is not as it should be.
async fn update(how: impl FnOnce(&mut Host), inputs: Value) -> (Outcome, Host) {
    let (dir, catalog) = lab();
    let lab = Lab::open(dir.path().to_owned());
    lab.change(how).unwrap();
    let outcome = catalog.call(&call("package", "update", inputs)).await;
    (outcome, lab.read().unwrap())
}

#[tokio::test]
async fn a_simulated_update_is_as_a_real_one() {
    let (outcome, host) = update(|_| {}, json!({"package": "openssl"})).await;
    assert_eq!((outcome.result, outcome.changed), (ActionResult::Ok, Changed::True));
    assert_eq!((&outcome.data["before"], &outcome.data["after"]), (&json!(OLD), &json!(NEW)));
    assert_eq!(outcome.data["also"], json!({"libssl3": {"before": OLD, "after": NEW}}));
    assert_eq!(outcome.data["lists_age"], 0, "they were never refreshed before");
    assert_eq!(host.packages["libssl3"].version, NEW);
    let units = json!(["nginx.service"]);
    assert_eq!((&outcome.data["stale"], &outcome.data["services"]), (&json!(1), &units));
    let inputs = json!({"package": "openssl", "only": true});
    let (outcome, host) = update(|_| {}, inputs).await;
    assert_eq!((&outcome.data["also"], outcome.changed), (&json!({}), Changed::True));
    assert_eq!(host.packages["libssl3"].version, OLD);
    // Of another package's old code an update says nothing.
    let stale = |host: &mut Host| {
        host.packages.get_mut("libssl3").unwrap().version = NEW.to_owned();
        let bash = LabPackage::installed("1").offering(Some("2".to_owned()));
        host.packages.insert("bash".to_owned(), bash);
    };
    let (outcome, _) = update(stale, json!({"package": "bash"})).await;
    assert_eq!((&outcome.data["stale"], &outcome.data["services"]), (&json!(0), &json!([])));
    let newest = |host: &mut Host| host.packages.values_mut().for_each(|p| p.candidate = None);
    let (outcome, _) = update(newest, json!({"package": "openssl"})).await;
    assert_eq!((outcome.reason, outcome.changed), (Some(Reason::Unchanged), Changed::False));
    assert_eq!(outcome.message, "already newest (lists 0 s old)");
}

#[tokio::test]
async fn simulated_bad_days() {
    async fn check(how: fn(&mut Host), reason: Reason, words: &str) {
        let (outcome, host) = update(how, json!({"package": "openssl", "lock_wait": 0})).await;
        let want = (ActionResult::Failed, Some(reason), Changed::False);
        assert_eq!((outcome.result, outcome.reason, outcome.changed), want, "{outcome:?}");
        assert_eq!(outcome.message, words);
        assert_eq!(host.packages["openssl"].version, OLD);
    }
    let held = |host: &mut Host| {
        host.packages.get_mut("openssl").unwrap().held = true;
    };
    let words = "openssl is kept at 3.0.20-1~deb12u2 by apt-mark hold; nothing was changed";
    check(held, Reason::Held, words).await;
    let full = |host: &mut Host| host.apt.free_mib = Some(12);
    let words = "/var 12 MiB free, 48 MiB needed; nothing was changed";
    check(full, Reason::NoSpace, words).await;
    let interrupted = |host: &mut Host| host.apt.interrupted = true;
    let words = "dpkg was interrupted: openssl is half-configured; nothing was changed";
    check(interrupted, Reason::InterruptedDpkg, words).await;
    let dead = |host: &mut Host| host.apt.mirror_down = true;
    let words = "http://deb.example.com: connection timed out; nothing was installed";
    check(dead, Reason::Lists, words).await;
    // The process began with the year 1970, and so has run for some 20,000 days.
    let locked = |host: &mut Host| host.apt.locked_since = Some(0);
    let (outcome, _) = update(locked, json!({"package": "openssl", "lock_wait": 0})).await;
    assert_eq!(outcome.reason, Some(Reason::Locked));
    let words = "dpkg lock held by unattended-upgr (pid 812) since ";
    assert!(outcome.message.starts_with(words), "{outcome:?}");
    assert!(outcome.message.ends_with(" d, waited 0 s; nothing was changed"), "{outcome:?}");
}

#[tokio::test]
async fn simulated_packages_come_and_go() {
    let (dir, catalog) = lab();
    let ask = async |action: &str, inputs: Value| {
        let outcome = catalog.call(&call("package", action, inputs)).await;
        assert_eq!(outcome.result, ActionResult::Ok, "{outcome:?}");
        outcome
    };
    let openssl = || json!({"package": "openssl"});
    assert_eq!(ask("checkupdates", json!({})).await.data["count"], 2);
    assert_eq!(ask("search", json!({"query": "ssl"})).await.data["package_count"], 2);
    assert_eq!(ask("purge", openssl()).await.changed, Changed::True);
    assert_eq!(ask("update", openssl()).await.reason, Some(Reason::Absent));
    for action in ["update", "uninstall", "purge"] {
        let outcome = ask(action, json!({"package": "libss3"})).await;
        let want = (Some(Reason::Absent), Some(&json!("libssl3")));
        assert_eq!((outcome.reason, outcome.data.get("nearest")), want, "{action}");
    }
    assert_eq!(ask("count", json!({})).await.data["count"], 1);
    let inputs = json!({"package": "openssl", "version": NEW});
    assert_eq!(ask("install", inputs).await.data["after"], NEW);
    assert_eq!(ask("install", openssl()).await.reason, Some(Reason::Unchanged));
    assert_eq!(ask("refresh", json!({})).await.changed, Changed::True);
    let broken = |host: &mut Host| host.apt.interrupted = true;
    Lab::open(dir.path().to_owned()).change(broken).unwrap();
    ask("repair", json!({})).await;
    assert_eq!(ask("repair", json!({})).await.reason, Some(Reason::Unchanged));
}
