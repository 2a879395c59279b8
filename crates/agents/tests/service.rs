//! The agent `service` through its contract: over the lab's simulated host, and over a service
//! manager that answers from a script.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use marcato_agent::runner::Voice;
use marcato_agent::{ActionResult, BoxFuture, Call, Catalog, Outcome};
use marcato_agents::lab::{Host, Lab, LabPackage, LabService, LabTrouble};
use marcato_agents::package::Holder;
use marcato_agents::service::stale::{Of, Report, Use};
use marcato_agents::service::{Broken, Care, Job, Service, Services, Unit, Verb};
use marcato_agents::{About, Platform, catalog};
use marcato_core::{Changed, Facts, OrderId, Reason, Span, Timestamp};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

fn call(action: &str, inputs: Value) -> Call {
    Call {
        order: OrderId::from_bytes([7; 16]),
        caller: "ops@example.com".parse().unwrap(),
        collective: "lab".parse().unwrap(),
        agent: "service".parse().unwrap(),
        action: action.parse().unwrap(),
        inputs: inputs.as_object().unwrap().clone(),
        issued: Timestamp::from_ms(0),
        limit: Span::from_secs(60),
        facts: Arc::new(Facts::new()),
        voice: Voice::default(),
    }
}

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

const UNCHANGED: (ActionResult, Option<Reason>, Changed) =
    (ActionResult::Ok, Some(Reason::Unchanged), Changed::False);
const CHANGED: (ActionResult, Option<Reason>, Changed) = (ActionResult::Ok, None, Changed::True);

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

/// A service manager that answers from a script: what is seen look by look, and how the job ends.
struct Script {
    looks: Mutex<Vec<Look>>,
    job: Result<Job, String>,
    settle: Duration,
    stale: Vec<String>,
    /// The service in which packages are being changed.
    busy: Option<String>,
    /// When it was looked at.
    looked: Mutex<Vec<Instant>>,
}

type Look = Result<Option<Unit>, String>;

impl Script {
    fn new(looks: Vec<Look>, job: Result<Job, String>) -> Self {
        let (looks, looked) = (Mutex::new(looks), Mutex::default());
        Self { looks, job, settle: Duration::ZERO, stale: Vec::new(), busy: None, looked }
    }
}

impl Services for Script {
    fn provider(&self) -> &'static str {
        "script"
    }

    fn look<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Look> {
        self.looked.lock().unwrap().push(Instant::now());
        Box::pin(async { self.looks.lock().unwrap().remove(0) })
    }

    fn act<'a>(
        &'a self,
        _: Verb,
        _: &'a str,
        until: Instant,
    ) -> BoxFuture<'a, Result<Job, String>> {
        Box::pin(async move {
            if self.job == Ok(Job::TooLong) && self.settle > Duration::ZERO {
                tokio::time::sleep_until(until).await;
            }
            self.job.clone()
        })
    }

    fn enable<'a>(
        &'a self,
        _: &'a str,
        _: bool,
        _: Instant,
    ) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async { self.job.clone().map(|job| job == Job::Done) })
    }

    fn package_work(&self) -> Option<(String, Holder)> {
        let (lock, name) = ("dpkg lock", "dpkg".to_owned());
        let holder = Holder { lock, name, pid: 812, runs: Span::default() };
        Some((self.busy.clone()?, holder))
    }

    fn failed(&self) -> BoxFuture<'_, Result<Vec<Broken>, String>> {
        Box::pin(async { Err("there is no list".into()) })
    }

    fn log<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async { vec!["it".into(), "said".into()] })
    }

    fn care(&self, _: &Unit) -> Result<Care, String> {
        Ok(Care { settle: self.settle, ..Care::default() })
    }

    fn stale<'a>(&'a self, _: &'a Of) -> BoxFuture<'a, Result<Option<Report>, String>> {
        let services = self.stale.iter().map(|unit| (unit.clone(), Use::default())).collect();
        Box::pin(async { Ok(Some(Report { services, ..Report::default() })) })
    }
}

/// What is seen of a unit: `active` and main PID; nothing is a unit that is gone, and `?` a look that
/// fails.
fn look((active, main_pid): &(&str, u32)) -> Look {
    let unit = Unit {
        active: (*active).to_owned(),
        main_pid: *main_pid,
        reloads: true,
        ..Unit::default()
    };
    match *active {
        "?" => Err("systemd does not answer".into()),
        active => Ok(Some(unit).filter(|_| !active.is_empty())),
    }
}

async fn ask(script: Script, action: &str) -> Outcome {
    let mut catalog = Catalog::new();
    catalog.insert(Arc::new(Service::new(Arc::new(script)).unwrap()));
    let mut call = call(action, json!({"service": "x"}));
    call.limit = Span::from_secs(5);
    catalog.call(&call).await
}

/// A change by what is seen (before, after, settled) and how the job ends.
async fn check(
    action: &str,
    looks: &[(&str, u32)],
    job: Result<Job, &str>,
    want: (ActionResult, Option<Reason>, Changed),
    part: &str,
) {
    let script = Script::new(looks.iter().map(look).collect(), job.map_err(str::to_owned));
    let outcome = ask(script, action).await;
    assert_eq!((outcome.result, outcome.reason, outcome.changed), want, "{action} {outcome:?}");
    assert!(outcome.message.contains(part), "{}", outcome.message);
}

fn failed(changed: Changed) -> (ActionResult, Option<Reason>, Changed) {
    (ActionResult::Failed, Some(Reason::Action), changed)
}

const UNSETTLED: (ActionResult, Option<Reason>, Changed) =
    (ActionResult::Failed, Some(Reason::Unsettled), Changed::True);

#[tokio::test]
async fn a_restart_is_ok_only_when_the_service_stays_up() {
    let late = (ActionResult::TimedOut, Some(Reason::RunLimit), Changed::Unknown);
    let restart = async |looks: &[(&str, u32)], job, want, part| {
        check("restart", looks, job, want, part).await;
    };
    let (up, again) = (("active", 1), ("active", 2));
    let done = || Ok(Job::Done);
    restart(&[up, again, again], done(), CHANGED, "").await;
    restart(&[("failed", 0), up, up], done(), CHANGED, "").await;
    restart(
        &[up, ("failed", 0)],
        done(),
        UNSETTLED,
        "failed after the restart; its log: it | said",
    )
    .await;
    restart(&[up, again, ("active", 3)], done(), UNSETTLED, "stay up").await;
    restart(&[up, again, ("failed", 0)], done(), UNSETTLED, "failed").await;
    let unseen = failed(Changed::True);
    restart(&[up, again, ("?", 0)], done(), unseen, "whether it stays up could not").await;
    restart(&[up, up, ("?", 0)], Ok(Job::TooLong), late, "not restarted after 4 s").await;
    restart(&[up, ("?", 0)], done(), failed(Changed::Unknown), "does not answer").await;
    let gone = ("", 0);
    restart(&[up, gone], done(), UNSETTLED, "gone after the restart").await;
    restart(&[up, again, gone], done(), UNSETTLED, "gone after").await;
    let not_done = || Ok(Job::NotDone("dependency".into()));
    restart(&[up, up], not_done(), failed(Changed::False), "ended as dependency").await;
    restart(&[up, up], Err("Unit is wrong."), failed(Changed::False), "wrong").await;
    restart(&[up, up, up], Ok(Job::TooLong), late, "it still goes on").await;
    restart(&[up, ("deactivating", 1)], Ok(Job::TooLong), late, "still goes on").await;
    let unheard = || Ok(Job::Unheard("the bus went away".into()));
    restart(&[up, up, up], unheard(), failed(Changed::Unknown), "the bus went away").await;
    restart(&[up, ("inactive", 0)], unheard(), failed(Changed::Unknown), "may still be").await;
    restart(&[up, again, again], unheard(), CHANGED, "").await;
    restart(&[up, again, again], Ok(Job::TooLong), CHANGED, "").await;
}

#[tokio::test]
async fn package_work_in_a_service_is_not_broken_off() {
    let script = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let unit = Unit { names, active: "active".into(), ..Unit::default() };
        let looks = (0..3).map(|_| Ok(Some(unit.clone()))).collect();
        Script { busy: Some("cron.service".into()), ..Script::new(looks, Ok(Job::Done)) }
    };
    let locked = (ActionResult::Failed, Some(Reason::Locked), Changed::False);
    for action in ["stop", "restart"] {
        let outcome = ask(script(&["cron.service", "crond.service"]), action).await;
        assert_eq!((outcome.result, outcome.reason, outcome.changed), locked, "{action}");
        let want = "x.service: dpkg (pid 812) changes packages in it, and would be broken off; \
                    nothing was done";
        assert_eq!(outcome.message, want);
    }
    for (unit, action) in [("cron.service", "reload"), ("nginx.service", "restart")] {
        let outcome = ask(script(&[unit]), action).await;
        assert_ne!(outcome.reason, Some(Reason::Locked), "{action} of {unit}");
    }
    let outcome = cured(script(&["cron.service"])).await;
    assert_eq!((outcome.result, outcome.reason), (ActionResult::Ok, Some(Reason::Unchanged)));
    let why = "dpkg (pid 812) changes packages in it, and would be broken off";
    assert_eq!(outcome.data["left"], json!([{ "name": "a.service", "reason": why }]));
}

#[tokio::test]
async fn the_other_changes() {
    let (up, down) = (("active", 1), ("inactive", 0));
    let done = || Ok(Job::Done);
    check("stop", &[up, down], done(), CHANGED, "").await;
    check("stop", &[("failed", 0)], done(), UNCHANGED, "").await;
    check("stop", &[("activating", 0), down], done(), CHANGED, "").await;
    check("stop", &[up, ("active", 2)], done(), failed(Changed::True), "active after the stop")
        .await;
    check("start", &[down, up, up], done(), CHANGED, "").await;
    check("start", &[down, ("failed", 0)], done(), UNSETTLED, "failed after the start").await;
    check(
        "start",
        &[down, ("failed", 0)],
        Ok(Job::NotDone("failed".into())),
        failed(Changed::True),
        "ended as failed",
    )
    .await;
    check("reload", &[up, up, up], done(), CHANGED, "").await;
    check("reload", &[up, up, ("active", 2)], done(), UNSETTLED, "does not stay up").await;
    check("reload", &[down], done(), failed(Changed::False), "nothing to reload").await;
    check("enable", &[up, up], done(), CHANGED, "").await;
    check("enable", &[up, up], Ok(Job::TooLong), UNCHANGED, "").await;
    check("enable", &[up, up], Err("read-only"), failed(Changed::False), "read-only").await;
    let script = Script::new(Vec::new(), Ok(Job::Done));
    let outcome = ask_plain(script, "failed").await;
    assert_eq!(
        (outcome.result, outcome.message.as_str()),
        (ActionResult::Failed, "there is no list")
    );
}

async fn ask_plain(script: Script, action: &str) -> Outcome {
    let mut catalog = Catalog::new();
    catalog.insert(Arc::new(Service::new(Arc::new(script)).unwrap()));
    catalog.call(&call(action, json!({}))).await
}

/// A change of a unit that has something special about it, always seen the same.
async fn special(
    action: &str,
    unit: Unit,
    want: (ActionResult, Option<Reason>, Changed),
    part: &str,
) {
    let looks = vec![Ok(Some(unit)); 3];
    let outcome = ask(Script::new(looks, Ok(Job::Done)), action).await;
    assert_eq!((outcome.result, outcome.reason, outcome.changed), want, "{action} {outcome:?}");
    assert!(outcome.message.contains(part), "{}", outcome.message);
}

#[tokio::test]
async fn units_of_special_kinds() {
    let down = || Unit { active: "inactive".into(), ..Unit::default() };
    let up = || Unit { active: "active".into(), ..Unit::default() };
    let masked = (ActionResult::Failed, Some(Reason::Masked), Changed::False);
    for action in ["start", "restart", "enable"] {
        let unit = Unit { masked: true, ..down() };
        special(action, unit, masked, "its unit is masked; nothing was done").await;
    }
    let job = || Unit { ended_well: true, ..down() };
    special("start", job(), CHANGED, "").await;
    special("restart", job(), CHANGED, "").await;
    let skipped = Unit { skipped: true, ..down() };
    special("start", skipped, failed(Changed::False), "a condition of its unit is not met").await;
    special("restart", up(), CHANGED, "").await;
    special("reload", up(), failed(Changed::False), "it cannot be reloaded").await;
    let fixed = |on: &str| Unit { enabled: on.into(), ..up() };
    special("enable", fixed("static"), failed(Changed::False), "no [Install]").await;
    special("enable", fixed("disabled"), failed(Changed::Unknown), "not enabled by that").await;
    // An init script that cannot say whether its service runs.
    let unknown = || Unit { active: "unknown".into(), ..Unit::default() };
    for action in ["start", "stop", "restart"] {
        special(action, unknown(), CHANGED, "").await;
    }
}

#[tokio::test]
async fn a_restart_that_takes_long_is_watched_all_the_same() {
    let looks = [("active", 1), ("active", 2), ("active", 3)].iter().map(look).collect();
    let settle = Duration::from_millis(100);
    let script = Arc::new(Script { settle, ..Script::new(looks, Ok(Job::TooLong)) });
    let mut catalog = Catalog::new();
    catalog.insert(Arc::new(Service::new(script.clone()).unwrap()));
    let mut call = call("restart", json!({"service": "x"}));
    call.limit = Span::from_ms(400);
    let outcome = catalog.call(&call).await;
    assert!(outcome.message.contains("does not stay up"), "{outcome:?}");
    let looked = script.looked.lock().unwrap();
    assert!(looked[2] - looked[1] >= settle, "{looked:?}");
}

#[tokio::test]
async fn what_a_reload_killed_is_not_up_because_it_was_started_anew() {
    let seen = |restarts| {
        let names = vec!["x.service".to_owned()];
        let unit = Unit { names, active: "active".into(), main_pid: 1, ..Unit::default() };
        Ok(Some(Unit { reloads: true, restarts, ..unit }))
    };
    // Killed and started again before the first look.
    let outcome = ask(Script::new(vec![seen(0), seen(1), seen(1)], Ok(Job::Done)), "reload").await;
    assert_eq!((outcome.result, outcome.reason, outcome.changed), UNSETTLED, "{outcome:?}");
    let outcome = ask(Script::new(vec![seen(1), seen(1), seen(1)], Ok(Job::Done)), "reload").await;
    assert_eq!((outcome.result, outcome.reason, outcome.changed), CHANGED, "{outcome:?}");
}

/// What restarts for a library come to where one service is stale, seen like this.
async fn cure(looks: &[(&str, u32)], job: Job) -> Outcome {
    cured(Script::new(looks.iter().map(look).collect(), Ok(job))).await
}

async fn cured(script: Script) -> Outcome {
    let script = Script { stale: vec!["a.service".to_owned()], ..script };
    let mut catalog = Catalog::new();
    catalog.insert(Arc::new(Service::new(Arc::new(script)).unwrap()));
    catalog.call(&call("restart_stale", json!({"library": "openssl"}))).await
}

#[tokio::test]
async fn a_library_starts_nothing_and_breaks_nothing_off() {
    for (active, part) in [("inactive", "it was stopped"), ("activating", "break its work off")] {
        let outcome = cure(&[(active, 0)], Job::Done).await;
        assert_eq!((outcome.result, outcome.reason, outcome.changed), UNCHANGED, "{outcome:?}");
        let reason = outcome.data["left"][0]["reason"].as_str().unwrap();
        assert!(reason.contains(part), "{reason}");
    }
    let outcome = cure(&[("active", 1); 3], Job::TooLong).await;
    let want = (ActionResult::Failed, Some(Reason::RunLimit), Changed::Unknown);
    assert_eq!((outcome.result, outcome.reason, outcome.changed), want, "{outcome:?}");
}

#[tokio::test]
async fn no_restart_is_begun_when_the_time_is_over() {
    let stale = vec!["a.service".to_owned(), "b.service".to_owned()];
    let script = Script { stale, ..Script::new(Vec::new(), Ok(Job::Done)) };
    let mut catalog = Catalog::new();
    catalog.insert(Arc::new(Service::new(Arc::new(script)).unwrap()));
    let mut call = call("restart_stale", json!({"library": "openssl"}));
    call.limit = Span::from_secs(1);
    let outcome = catalog.call(&call).await;
    let want = (ActionResult::TimedOut, Some(Reason::RunLimit), Changed::False);
    assert_eq!((outcome.result, outcome.reason, outcome.changed), want);
    assert_eq!((&outcome.data["before"], &outcome.data["after"]), (&json!(2), &json!(2)));
    assert_eq!(outcome.message, "0 restarted; not tried: the time is over");
    assert_eq!(outcome.data["left"].as_array().unwrap().len(), 2);
}
