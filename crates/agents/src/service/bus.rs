//! systemd's objects on the system bus (org.freedesktop.systemd1(5)).
//!
//! The hard part of a change is to hear of its end: `JobRemoved` may come before the call that
//! started the job returns. So the signal is subscribed to before the call, and matched by the
//! job's path; and because a `daemon-reload` can swallow it, the deadline is followed by one more
//! look at the unit.

use futures_util::StreamExt;
use zbus::proxy::CacheProperties::No;
use zbus::{Connection, OwnedObjectPath, fdo};

use super::busy::Relations;
use super::unit::SPARING;
use super::{Broken, Job, Unit, Verb};

/// One change that was made in enabling a unit: its kind, its file and where that leads.
type FileChange = (String, String, String);

/// One unit of a list: name, description, load, active and sub state, the unit it follows, its
/// object, and its job: number, kind and object.
type Listed =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// Part of systemd's manager.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn ref_unit(&self, name: &str) -> zbus::Result<()>;
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn enable_unit_files(
        &self,
        files: &[&str],
        runtime: bool,
        force: bool,
    ) -> zbus::Result<(bool, Vec<FileChange>)>;
    fn disable_unit_files(&self, files: &[&str], runtime: bool) -> zbus::Result<Vec<FileChange>>;
    fn reload(&self) -> zbus::Result<()>;
    fn list_units_filtered(&self, states: &[&str]) -> zbus::Result<Vec<Listed>>;
    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

/// Part of every unit.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1",
    assume_defaults = false
)]
trait AnyUnit {
    #[zbus(property(emits_changed_signal = "false"))]
    fn id(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn names(&self) -> zbus::Result<Vec<String>>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn load_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn sub_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn unit_file_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_enter_timestamp(&self) -> zbus::Result<u64>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn can_reload(&self) -> zbus::Result<bool>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn refuse_manual_stop(&self) -> zbus::Result<bool>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn condition_result(&self) -> zbus::Result<bool>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn condition_timestamp(&self) -> zbus::Result<u64>;
}

/// Part of services alone.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1",
    assume_defaults = false
)]
trait ServiceUnit {
    #[zbus(property(emits_changed_signal = "false"), name = "Type")]
    fn kind(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn result(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"), name = "MainPID")]
    fn main_pid(&self) -> zbus::Result<u32>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn kill_mode(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"), name = "NRestarts")]
    fn n_restarts(&self) -> zbus::Result<u32>;
}

/// Looks at a unit; `None` when there is none of that name.
pub(super) async fn look(bus: &Connection, name: &str) -> zbus::Result<Option<Unit>> {
    let path = match ManagerProxy::new(bus).await?.load_unit(name).await {
        Err(zbus::Error::MethodError(error, ..))
            if error.as_str() == "org.freedesktop.systemd1.NoSuchUnit" =>
        {
            return Ok(None);
        }
        path => path?,
    };
    let unit = AnyUnitProxy::builder(bus).cache_properties(No).path(path.clone()).build().await?;
    let load = unit.load_state().await?;
    let active = unit.active_state().await?;
    // One whose file was removed is there for as long as it runs or its failure is remembered.
    if load == "not-found" && active == "inactive" {
        return Ok(None);
    }
    let mut names = vec![unit.id().await?];
    let others = unit.names().await?;
    names.extend(others.into_iter().filter(|other| *other != names[0]).collect::<Vec<_>>());
    let mut found = Unit {
        names,
        active,
        sub: unit.sub_state().await?,
        enabled: unit.unit_file_state().await?,
        since_us: unit.active_enter_timestamp().await?,
        masked: load == "masked",
        removed: load == "not-found",
        reloads: unit.can_reload().await?,
        refuses: unit.refuse_manual_stop().await?,
        skipped: unit.condition_timestamp().await? > 0 && !unit.condition_result().await?,
        ..Unit::default()
    };
    if name.ends_with(".service") {
        let service =
            ServiceUnitProxy::builder(bus).cache_properties(No).path(path).build().await?;
        found.main_pid = service.main_pid().await?;
        found.spares_others = SPARING.contains(&service.kill_mode().await?.as_str());
        // systemd before 235 does not count them.
        found.restarts = service.n_restarts().await.unwrap_or(0);
        let well = service.result().await? == "success" && !found.skipped;
        // One that is broken seems to be of that type.
        found.ended_well = well && load == "loaded" && service.kind().await? == "oneshot";
    }
    Ok(Some(found))
}

/// The units that stand in one of these relations to a unit; of what an older systemd does not know
/// there are none.
pub(super) async fn related(
    bus: &Connection,
    unit: &str,
    by: Relations,
) -> zbus::Result<Vec<String>> {
    let path = ManagerProxy::new(bus).await?.load_unit(unit).await?;
    let unit = AnyUnitProxy::builder(bus).cache_properties(No).path(path).build().await?;
    let mut units = Vec::new();
    for relation in by {
        match unit.inner().get_property::<Vec<String>>(relation).await {
            Err(zbus::Error::FDO(error)) if matches!(*error, fdo::Error::UnknownProperty(_)) => {}
            related => units.extend(related?),
        }
    }
    Ok(units)
}

/// Does something with a unit and waits for the end of the job.
pub(super) async fn act(bus: &Connection, verb: Verb, name: &str) -> zbus::Result<Job> {
    let manager = ManagerProxy::new(bus).await?;
    let mut removed = manager.receive_job_removed().await?;
    subscribe(&manager).await?;
    // Else systemd forgets a unit that ended at once, and when it ran. It holds until this process
    // ends; one that is not loaded yet is loaded by the order itself.
    let _ = manager.ref_unit(name).await;
    let job = match verb {
        Verb::Start => manager.start_unit(name, "replace").await?,
        Verb::Stop => manager.stop_unit(name, "replace").await?,
        Verb::Restart => manager.restart_unit(name, "replace").await?,
        Verb::Reload => manager.reload_unit(name, "replace").await?,
    };
    while let Some(signal) = removed.next().await {
        let ended = signal.args()?;
        if *ended.job() == job {
            return Ok(match ended.result().as_str() {
                "done" => Job::Done,
                other => Job::NotDone(other.to_owned()),
            });
        }
    }
    Err(zbus::Error::Failure("the bus went away".into()))
}

/// Lets systemd send its signals, once for each connection.
async fn subscribe(manager: &ManagerProxy<'_>) -> zbus::Result<()> {
    match manager.subscribe().await {
        Err(zbus::Error::MethodError(error, ..))
            if error.as_str() == "org.freedesktop.systemd1.AlreadySubscribed" =>
        {
            Ok(())
        }
        subscribed => subscribed,
    }
}

/// Lets a unit start with the host, or no more, and lets systemd read that; whether it changed
/// anything.
pub(super) async fn enable(bus: &Connection, unit: &str, on: bool) -> zbus::Result<bool> {
    let manager = ManagerProxy::new(bus).await?;
    let changes = match on {
        true => manager.enable_unit_files(&[unit], false, false).await?.1,
        false => manager.disable_unit_files(&[unit], false).await?,
    };
    // What it lists besides is why it did nothing.
    let is_changed = changes.iter().any(|(how, ..)| matches!(how.as_str(), "symlink" | "unlink"));
    if is_changed {
        manager.reload().await?;
    }
    Ok(is_changed)
}

/// The units that have failed.
pub(super) async fn failed(bus: &Connection) -> zbus::Result<Vec<Broken>> {
    let listed = ManagerProxy::new(bus).await?.list_units_filtered(&["failed"]).await?;
    let broken = |(unit, description, ..): Listed| Broken { unit, description };
    Ok(listed.into_iter().map(broken).collect())
}
