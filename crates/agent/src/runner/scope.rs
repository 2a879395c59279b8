//! Moves this process into a systemd scope of its own, so that stopping or upgrading the daemon's
//! unit does not end it, and so that whatever its agent starts can be told from all else.

use std::path::Path;
use std::time::Duration;

use marcato_core::limits::agent::SCOPE_LIMIT;
use rustix::process::getpid;
use tokio::time::{sleep, timeout};
use zbus::{OwnedObjectPath, Variant};

use crate::tree;

/// Part of systemd's manager (org.freedesktop.systemd1(5)).
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn start_transient_unit(
        &self,
        name: &str,
        mode: &str,
        properties: &[(&str, Variant<'_>)],
        aux: &[(&str, &[(&str, Variant<'_>)])],
    ) -> zbus::Result<OwnedObjectPath>;
}

/// The scope of the run in a folder.
pub(super) fn unit(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("marcato-run-{name}.scope")
}

/// Joins a scope named after the run's folder; where systemd is not, or refuses, goes on without:
/// the process then still outlives a crash of the daemon, by its own session.
pub(super) async fn join(dir: &Path) {
    if !Path::new("/run/systemd/system").exists() {
        return;
    }
    let unit = unit(dir);
    match timeout(SCOPE_LIMIT.as_duration(), start(&unit)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%unit, %error, "no scope of its own"),
        Err(_) => tracing::warn!(%unit, "no scope of its own: systemd does not answer"),
    }
}

async fn start(unit: &str) -> zbus::Result<()> {
    let bus = zbus::Connection::system().await?;
    let manager = ManagerProxy::new(&bus).await?;
    let properties = [
        ("Description", Variant::from("An action that Marcato runs")),
        ("PIDs", Variant::from(vec![std::process::id()])),
    ];
    manager.start_transient_unit(unit, "fail", &properties, &[]).await?;
    // The job is short and its end is seen here, without a signal that could be missed.
    while !tree::is_in(getpid().as_raw_nonzero().get(), unit) {
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
