//! Over a service manager that answers from a script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use marcato_agent::{ActionResult, BoxFuture, Catalog, Outcome};
use marcato_agents::package::Holder;
use marcato_agents::service::stale::{Of, Report, Use};
use marcato_agents::service::{Broken, Care, Job, Relations, Service, Services, Unit, Verb};
use marcato_core::{Changed, Reason, Span};
use serde_json::json;
use tokio::time::Instant;

use super::{CHANGED, UNCHANGED, call};

/// A service manager that answers from a script: what is seen look by look, and how the job ends.
struct Script {
    looks: Mutex<Vec<Look>>,
    job: Result<Job, String>,
    settle: Duration,
    stale: Vec<String>,
    /// The unit in which packages are being changed.
    busy: Option<Unit>,
    /// How units hang together: unit, relation, unit.
    related: Vec<(&'static str, &'static str, &'static str)>,
    /// When it was looked at.
    looked: Mutex<Vec<Instant>>,
}

type Look = Result<Option<Unit>, String>;

impl Script {
    fn new(looks: Vec<Look>, job: Result<Job, String>) -> Self {
        let (settle, related, busy) = (Duration::ZERO, Vec::new(), None);
        let (looks, looked) = (Mutex::new(looks), Mutex::default());
        Self { looks, job, settle, stale: Vec::new(), busy, related, looked }
    }
}

impl Services for Script {
    fn provider(&self) -> &'static str {
        "script"
    }

    fn look<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Look> {
        let is_busy = |unit: &&Unit| unit.names.iter().any(|known| known == name);
        if let Some(busy) = self.busy.as_ref().filter(is_busy) {
            return Box::pin(async { Ok(Some(busy.clone())) });
        }
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
        Some((self.busy.as_ref()?.names[0].clone(), holder))
    }

    fn related<'a>(
        &'a self,
        unit: &'a str,
        by: Relations,
    ) -> BoxFuture<'a, Result<Vec<String>, String>> {
        let is_meant = |known: &&(&str, &str, &str)| known.0 == unit && by.contains(&known.1);
        let related = self.related.iter().filter(is_meant).map(|known| known.2.to_owned());
        let related = related.collect();
        Box::pin(async { Ok(related) })
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
async fn package_work_is_not_broken_off() {
    let unit = |names: &[&str], active: &str| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Unit { names, active: active.into(), ..Unit::default() }
    };
    let busy = || unit(&["cron.service", "crond.service"], "active");
    let script = |unit: Unit| {
        let looks = (0..3).map(|_| Ok(Some(unit.clone()))).collect();
        let related = vec![
            ("cron.service", "Requires", "system.slice"),
            ("cron.service", "PartOf", "jobs.target"),
            ("jobs.target", "BindsTo", "disk.mount"),
            ("cron.service", "Wants", "network.target"),
            ("umount.target", "Conflicts", "disk.mount"),
            ("halt.target", "Wants", "halt.service"),
            ("halt.service", "Requires", "umount.target"),
        ];
        Script { busy: Some(busy()), related, ..Script::new(looks, Ok(Job::Done)) }
    };
    let locked = (ActionResult::Failed, Some(Reason::Locked), Changed::False);
    let refused = async |unit: Unit, action: &str, why: &str| {
        let outcome = ask(script(unit), action).await;
        assert_eq!((outcome.result, outcome.reason, outcome.changed), locked, "{action}");
        let want = format!("x.service: dpkg (pid 812) changes packages in {why}; nothing was done");
        assert_eq!(outcome.message, want);
    };
    let with_it = "cron.service, which would be stopped with it";
    for action in ["stop", "restart"] {
        refused(busy(), action, "it, and would be broken off").await;
        for needed in ["system.slice", "jobs.target", "disk.mount"] {
            refused(unit(&[needed], "active"), action, with_it).await;
        }
    }
    let by_start = "cron.service, which would be stopped by the start";
    for foe in ["umount.target", "halt.target"] {
        refused(unit(&[foe], "inactive"), "start", by_start).await;
    }
    refused(unit(&["halt.target"], "failed"), "restart", by_start).await;
    let goes_on = async |script: Script, action: &str| {
        let outcome = ask(script, action).await;
        assert_ne!(outcome.reason, Some(Reason::Locked), "{action}: {}", outcome.message);
    };
    goes_on(script(busy()), "reload").await;
    goes_on(script(unit(&["network.target"], "active")), "stop").await;
    goes_on(script(unit(&["nginx.service"], "active")), "restart").await;
    goes_on(script(unit(&["nginx.service"], "inactive")), "start").await;
    let sparing = |main_pid, sub: &str| {
        let sparing = Unit { spares_others: true, main_pid, sub: sub.into(), ..busy() };
        let script = script(sparing.clone());
        Script { busy: Some(sparing), ..script }
    };
    goes_on(sparing(811, "running"), "restart").await;
    for (main_pid, sub) in [(812, "running"), (0, "start-pre"), (811, "reload")] {
        let outcome = ask(sparing(main_pid, sub), "restart").await;
        assert_eq!(outcome.reason, Some(Reason::Locked), "{main_pid} {sub}");
    }
    let outcome = cured(script(busy())).await;
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
    special("enable", fixed("disabled"), failed(Changed::True), "not enabled by that").await;
    let runtime = || Ok(Some(fixed("enabled-runtime")));
    // Whether links were changed, and it is enabled all the same.
    for (job, changed) in [(Job::Done, Changed::True), (Job::TooLong, Changed::False)] {
        let outcome = ask(Script::new(vec![runtime(), runtime()], Ok(job)), "disable").await;
        let got = (outcome.result, outcome.reason, outcome.changed);
        assert_eq!(got, failed(changed), "{}", outcome.message);
    }
    let gone = || Unit { removed: true, active: "failed".into(), ..Unit::default() };
    let absent = (ActionResult::Ok, Some(Reason::Absent), Changed::False);
    for action in ["start", "stop", "restart", "reload", "enable", "disable"] {
        special(action, gone(), absent, "").await;
    }
    special("status", gone(), (ActionResult::Ok, Some(Reason::NotRunning), Changed::False), "")
        .await;
    // Its file was removed while it runs: it can still be stopped.
    let runs = Unit { removed: true, ..up() };
    let looks = vec![Ok(Some(runs)), Ok(None)];
    let outcome = ask(Script::new(looks, Ok(Job::Done)), "stop").await;
    assert_eq!((outcome.result, outcome.reason, outcome.changed), CHANGED);
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
