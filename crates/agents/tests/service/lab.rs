//! Over the lab's simulated host.

use marcato_agent::{ActionResult, Catalog, Outcome};
use marcato_agents::lab::{Host, Lab, LabPackage, LabService, LabTrouble};
use marcato_agents::{About, Platform, catalog};
use marcato_core::{Changed, Reason};
use serde_json::{Map, Value, json};

use super::{CHANGED, UNCHANGED, call};

/// A simulated host and the agent over it.
struct Fleet {
    dir: tempfile::TempDir,
    catalog: Catalog,
}

impl Fleet {
    fn new() -> Self {
        let openssl = LabPackage::installed("3.0.20").built_from("openssl");
        let service = |pid| LabService { since_us: 5_000_000, ..LabService::up(pid) };
        let host = Host {
            packages: ["openssl", "libssl3"].map(|name| (name.to_owned(), openssl.clone())).into(),
            services: [
                ("nginx".to_owned(), service(812).mapping("libssl3", "3.0.20")),
                ("ssh".to_owned(), service(400).mapping("libssl3", "3.0.20")),
                ("cron".to_owned(), LabService { running: false, since_us: 0, ..service(4) }),
            ]
            .into(),
            ..Host::default()
        };
        let dir = tempfile::tempdir().unwrap();
        Lab::create(dir.path(), &host).unwrap();
        let catalog = catalog(&Platform::Lab(dir.path().to_owned()), About::default()).unwrap();
        Self { dir, catalog }
    }

    fn change(&self, how: impl FnOnce(&mut Host)) {
        Lab::open(self.dir.path().to_owned()).change(how).unwrap();
    }

    fn update(&self) {
        self.change(|host| {
            for package in host.packages.values_mut() {
                "3.0.22".clone_into(&mut package.version);
            }
        });
    }

    async fn ask(&self, action: &str, inputs: Value) -> (Outcome, Value) {
        let mut outcome = self.catalog.call(&call(action, inputs)).await;
        let data = Value::Object(std::mem::take(&mut outcome.data));
        (outcome, data)
    }

    /// Asks for something of one service: how it ended.
    async fn one(&self, action: &str, service: &str) -> (ActionResult, Option<Reason>, Changed) {
        let (outcome, _) = self.ask(action, json!({ "service": service })).await;
        (outcome.result, outcome.reason, outcome.changed)
    }
}

#[tokio::test]
async fn status() {
    let fleet = Fleet::new();
    let (outcome, data) = fleet.ask("status", json!({"service": "nginx"})).await;
    assert_eq!(outcome, Outcome::ok(Map::new()));
    let want = json!({
        "status": "running", "unit": "nginx.service", "active": "active", "sub": "running",
        "enabled": "enabled", "main_pid": 812, "restarts": 0, "since": 5, "provider": "systemd",
    });
    assert_eq!(data, want);
    let (outcome, data) = fleet.ask("status", json!({"service": "cron.service"})).await;
    assert_eq!(outcome, Outcome::ok(Map::new()).because(Reason::NotRunning));
    assert_eq!((&data["status"], &data["main_pid"]), (&json!("stopped"), &json!(0)));
    for action in ["status", "start", "stop", "restart", "reload", "enable", "disable"] {
        let (outcome, data) = fleet.ask(action, json!({"service": "ngnix"})).await;
        assert_eq!(outcome, Outcome::ok(Map::new()).because(Reason::Absent), "{action}");
        assert_eq!(data["status"], "absent");
    }
}

#[tokio::test]
async fn a_change_is_seen_by_who_asks_next() {
    let fleet = Fleet::new();
    let (outcome, data) = fleet.ask("restart", json!({"service": "nginx"})).await;
    assert_eq!((outcome.result, outcome.changed), (ActionResult::Ok, Changed::True));
    assert_eq!((&data["before"], &data["after"]), (&json!(812), &json!(813)));
    // Another process has another catalog over the same file.
    let platform = Platform::Lab(fleet.dir.path().to_owned());
    let other = catalog(&platform, About::default()).unwrap();
    let outcome = other.call(&call("status", json!({"service": "nginx"}))).await;
    assert_eq!(outcome.data["main_pid"], 813);
    Lab::create(fleet.dir.path(), &Host::default()).unwrap();
    let kept = Lab::open(fleet.dir.path().to_owned()).read().unwrap();
    assert_eq!(kept.services["nginx"].main_pid, 813, "what is there stays");
}

#[tokio::test]
async fn what_is_so_already_is_unchanged() {
    let fleet = Fleet::new();
    for (action, service, want) in [
        ("start", "nginx", UNCHANGED),
        ("start", "cron", CHANGED),
        ("start", "cron", UNCHANGED),
        ("stop", "cron", CHANGED),
        ("stop", "cron", UNCHANGED),
        ("reload", "nginx", CHANGED),
        ("enable", "nginx", UNCHANGED),
        ("disable", "nginx", CHANGED),
        ("disable", "nginx", UNCHANGED),
        ("enable", "nginx", CHANGED),
    ] {
        assert_eq!(fleet.one(action, service).await, want, "{action} {service}");
    }
    let (outcome, _) = fleet.ask("reload", json!({"service": "cron"})).await;
    assert_eq!(outcome.result, ActionResult::Failed);
    assert!(outcome.message.contains("nothing to reload"), "{outcome:?}");
}

#[tokio::test]
async fn a_broken_configuration_leaves_what_runs_alone() {
    let fleet = Fleet::new();
    fleet.change(|host| assert_eq!(host.trouble(LabTrouble::BadConfig).as_deref(), Some("nginx")));
    for action in ["restart", "reload"] {
        let (outcome, data) = fleet.ask(action, json!({"service": "nginx"})).await;
        let want = (ActionResult::Failed, Some(Reason::Precheck), Changed::False);
        assert_eq!((outcome.result, outcome.reason, outcome.changed), want, "{action}");
        assert!(outcome.message.contains("unknown directive"), "{}", outcome.message);
        assert_eq!((&data["status"], &data["main_pid"]), (&json!("running"), &json!(812)));
    }
    assert_eq!(fleet.one("stop", "nginx").await, CHANGED);
    let (outcome, data) = fleet.ask("start", json!({"service": "nginx"})).await;
    let want = (ActionResult::Failed, Some(Reason::Action), Changed::True);
    assert_eq!((outcome.result, outcome.reason, outcome.changed), want);
    assert!(outcome.message.contains("its log: nginx: [emerg]"), "{}", outcome.message);
    assert_eq!(data["status"], "failed");
    let (outcome, data) = fleet.ask("failed", json!({})).await;
    assert_eq!(outcome, Outcome::ok(Map::new()).because(Reason::NotRunning));
    assert_eq!((&data["units"], &data["count"]), (&json!("nginx"), &json!(1)));
    assert_eq!(data["failed"][0]["unit"], "nginx.service");
    fleet.change(Host::mend_services);
    assert_eq!(fleet.one("start", "nginx").await, CHANGED);
    let (outcome, data) = fleet.ask("failed", json!({})).await;
    assert_eq!((outcome.reason, &data["count"]), (None, &json!(0)));
}

#[tokio::test]
async fn a_service_that_flaps_is_unsettled() {
    let fleet = Fleet::new();
    fleet.change(|host| assert!(host.trouble(LabTrouble::Flap).is_some()));
    let (outcome, _) = fleet.ask("restart", json!({"service": "nginx"})).await;
    let want = (ActionResult::Failed, Some(Reason::Unsettled), Changed::True);
    assert_eq!((outcome.result, outcome.reason, outcome.changed), want);
    assert!(outcome.message.contains("waiting to be started again"), "{}", outcome.message);
    let (outcome, data) = fleet.ask("status", json!({"service": "nginx"})).await;
    assert_eq!((&data["status"], &data["sub"]), (&json!("restarting"), &json!("auto-restart")));
    assert_eq!(outcome.reason, Some(Reason::NotRunning));
}

#[tokio::test]
async fn an_update_makes_services_stale_until_they_are_restarted() {
    let fleet = Fleet::new();
    let (_, data) = fleet.ask("stale", json!({})).await;
    assert_eq!((&data["count"], &data["services"]), (&json!(0), &json!([])));
    fleet.update();
    let (_, data) = fleet.ask("stale", json!({"library": "openssl"})).await;
    assert_eq!((&data["count"], &data["units"]), (&json!(2), &json!("nginx ssh")));
    let file = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
    let nginx = json!({ "unit": "nginx.service", "processes": 1, "pids": [812], "files": [file] });
    assert_eq!(data["services"][0], nginx);
    assert_eq!(fleet.one("restart", "ssh").await, CHANGED);
    let (outcome, data) = fleet.ask("restart_stale", json!({"library": "libssl.so.3"})).await;
    assert_eq!((outcome.result, outcome.changed), (ActionResult::Ok, Changed::True));
    assert_eq!((&data["before"], &data["after"]), (&json!(1), &json!(0)));
    assert_eq!(data["restarted"], json!(["nginx.service"]));
    let (outcome, data) = fleet.ask("restart_stale", json!({"library": "openssl"})).await;
    assert_eq!((outcome.reason, &data["before"]), (Some(Reason::Unchanged), &json!(0)));
    for action in ["stale", "restart_stale"] {
        let (outcome, data) = fleet.ask(action, json!({"library": "opnessl"})).await;
        let want = (ActionResult::Ok, Some(Reason::Absent), Changed::False);
        assert_eq!((outcome.result, outcome.reason, outcome.changed), want);
        assert_eq!(data["nearest"], "openssl");
    }
}

#[tokio::test]
async fn what_a_restart_would_harm_is_left_alone_with_the_reason() {
    let fleet = Fleet::new();
    fleet.change(|host| {
        let bus = LabService::up(3).mapping("libssl3", "3.0.20");
        host.services = [("dbus".to_owned(), bus)].into();
    });
    fleet.update();
    let reason = "what talks over the bus does not survive its restart";
    let (_, data) = fleet.ask("stale", json!({"library": "openssl"})).await;
    assert_eq!((&data["count"], &data["left"][0]["name"]), (&json!(0), &json!("dbus.service")));
    let (outcome, data) = fleet.ask("restart_stale", json!({"library": "openssl"})).await;
    assert_eq!((outcome.result, outcome.reason, outcome.changed), UNCHANGED, "{outcome:?}");
    assert_eq!(data["left"], json!([{ "name": "dbus.service", "reason": reason }]));
}

#[tokio::test]
async fn restarts_for_a_library_end_where_a_service_does_not_come_up() {
    let fleet = Fleet::new();
    fleet.update();
    fleet.change(|host| drop(host.trouble(LabTrouble::Flap)));
    let (outcome, data) = fleet.ask("restart_stale", json!({"library": "openssl"})).await;
    let want = (ActionResult::Failed, Some(Reason::Unsettled), Changed::True);
    assert_eq!((outcome.result, outcome.reason, outcome.changed), want);
    assert_eq!((&data["before"], &data["after"]), (&json!(2), &json!(1)));
    assert_eq!(data["failed"][0]["unit"], "nginx.service");
    let left = json!({ "name": "ssh.service", "reason": "not tried, for nginx.service did not come up again" });
    assert_eq!(data["left"], json!([left]));

    let fleet = Fleet::new();
    fleet.update();
    fleet.change(|host| drop(host.trouble(LabTrouble::BadConfig)));
    let (outcome, data) = fleet.ask("restart_stale", json!({"library": "openssl"})).await;
    assert_eq!((outcome.reason, outcome.changed), (Some(Reason::Precheck), Changed::True));
    assert_eq!(
        data["restarted"],
        json!(["ssh.service"]),
        "a broken configuration is one service's"
    );
}
