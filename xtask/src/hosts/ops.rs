//! What can be done to a running host: the tools of a test and of a person who looks at one.

use super::error::Result;
use super::host::{EXEC_LIMIT, exec_in};
use super::net;
use super::run::{self, Output};
use super::set::Hosts;
use std::ffi::OsStr;

/// Keeps systemd from starting a killed daemon again; gone with the next boot.
const NO_RESTART: &str = "/run/systemd/system/mcod.service.d/no-restart.conf";

impl Hosts {
    /// Runs a command in a host, within a minute, and gives back how it ended.
    ///
    /// # Errors
    /// When the host does not run or the command takes longer.
    pub fn exec<S: AsRef<OsStr>>(&self, name: &str, argv: &[S], input: &[u8]) -> Result<Output> {
        exec_in(self.leader(name)?, argv, input, EXEC_LIMIT)
    }

    /// Boots a host that was shut down, with the disk that it had, and waits until it is up.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn boot(&mut self, name: &str) -> Result<()> {
        let host = self.host(name)?;
        if self.container(name).is_some() {
            return Ok(());
        }
        self.boot_all(&[host])
    }

    /// Shuts a host down in order.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn poweroff(&self, name: &str) -> Result<()> {
        let host = self.host(name)?;
        self.container(name).map_or(Ok(()), |container| host.poweroff(container))
    }

    /// Pulls a host's cable.
    ///
    /// # Errors
    /// When the host does not run.
    pub fn cut_link(&self, name: &str) -> Result<()> {
        net::set_link(&self.host(name)?.spec.link(), false)
    }

    /// Plugs the cable in again.
    ///
    /// # Errors
    /// When the host does not run.
    pub fn restore_link(&self, name: &str) -> Result<()> {
        net::set_link(&self.host(name)?.spec.link(), true)
    }

    /// Has a host hang as a whole: not one of its processes does anything any more.
    ///
    /// # Errors
    /// When the host does not run.
    pub fn freeze(&self, name: &str) -> Result<()> {
        self.host(name)?.cgroup.freeze()
    }

    /// Has a host go on after [`Hosts::freeze`].
    ///
    /// # Errors
    /// As [`Hosts::freeze`].
    pub fn thaw(&self, name: &str) -> Result<()> {
        self.host(name)?.cgroup.thaw()
    }

    /// Kills a host's daemon, and only it, as a crash does; systemd does not start it again.
    ///
    /// # Errors
    /// When the host does not run, or had no running daemon.
    pub fn kill_mcod(&self, name: &str) -> Result<()> {
        let text = b"[Service]\nRestart=no\n";
        let put = ["install", "-D", "-m", "0644", "/dev/stdin", NO_RESTART];
        self.must(name, &put, text)?;
        self.must(name, &["systemctl", "daemon-reload"], b"")?;
        let kill = ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "mcod"];
        self.must(name, &kill, b"")
    }

    /// Starts a host's daemon again after [`Hosts::kill_mcod`].
    ///
    /// # Errors
    /// When the host does not run, or the unit does not start.
    pub fn start_mcod(&self, name: &str) -> Result<()> {
        self.must(name, &["rm", "-f", NO_RESTART], b"")?;
        self.must(name, &["systemctl", "daemon-reload"], b"")?;
        self.must(name, &["systemctl", "start", "mcod"], b"")
    }

    fn must(&self, name: &str, argv: &[&str], input: &[u8]) -> Result<()> {
        let output = self.exec(name, argv, input)?;
        if output.status == 0 { Ok(()) } else { Err(run::status_error(argv, &output)) }
    }
}
