//! The hosts under test, and what they themselves say.

use super::super::error::{Error, Result};
use super::super::fleet;
use super::super::plan::{Role, Spec};
use super::super::run;
use super::super::set::Hosts;
use super::operator::{Operator, Order};
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long something may take that a host does by itself and soon; seen: under a second.
pub const SOON: Duration = Duration::from_secs(15);

/// How long a node may take until it is back: its waits between two tries to connect grow.
const BACK_LIMIT: Duration = Duration::from_secs(60);

/// How often something that must become true is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How much of a line of a journal is shown.
const SHOWN_CHARS: usize = 200;

/// The hosts, and who types.
#[derive(Debug)]
pub struct Site {
    /// The hosts.
    pub hosts: Hosts,
    /// Who types.
    pub operator: Operator,
    /// A node with nginx, in fault group c.
    pub alone: Spec,
    /// Another one with nginx, in group a.
    pub other: Spec,
    /// One without.
    pub without: Spec,
    nodes: Vec<Spec>,
}

impl Site {
    /// The hosts of a plan for three nodes at least.
    ///
    /// # Errors
    /// When the hosts are not of that plan.
    pub fn new(hosts: Hosts, mco: PathBuf) -> Result<Self> {
        let find = |role: Role, group: &str| {
            let fits = |spec: &&Spec| spec.role == role && spec.hagroup.as_deref() == Some(group);
            let found = hosts.specs().iter().find(fits).cloned();
            found.ok_or_else(|| Error::Machine(format!("no {role:?} in group {group}")))
        };
        let (alone, other) = (find(Role::Web, "c")?, find(Role::Web, "a")?);
        let without = find(Role::Db, "b")?;
        let nodes = hosts.specs().iter().filter(|spec| spec.role != Role::Hub).cloned().collect();
        let operator = Operator { mco, config: fleet::config(hosts.dir()) };
        // Who has never met a node cannot tell whether a hub that has just started knows them all.
        operator.order(&["ping"])?;
        Ok(Self { hosts, operator, alone, other, without, nodes })
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Spec] {
        &self.nodes
    }

    /// Counts a host that has come among the nodes.
    pub fn know(&mut self, host: Spec) {
        self.nodes.push(host);
    }

    /// The names of all nodes, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.nodes.iter().map(Spec::fqdn).collect();
        names.sort();
        names
    }

    /// The nodes of a fault group.
    pub fn group(&self, name: &str) -> Vec<&Spec> {
        self.nodes.iter().filter(|spec| spec.hagroup.as_deref() == Some(name)).collect()
    }

    /// What a command in a host prints; it must end with 0.
    ///
    /// # Errors
    /// When it does not.
    pub fn says(&self, host: &Spec, argv: &[&str]) -> Result<String> {
        self.tell(host, argv, b"")
    }

    /// The same, with something on its standard input.
    ///
    /// # Errors
    /// When it does not end with 0.
    pub fn tell(&self, host: &Spec, argv: &[&str], input: &[u8]) -> Result<String> {
        let output = self.hosts.exec(&host.name, argv, input)?;
        if output.status == 0 { Ok(output.text()) } else { Err(run::status_error(argv, &output)) }
    }

    /// Writes a file of a running host.
    ///
    /// # Errors
    /// When the host cannot.
    pub fn put(&self, host: &Spec, path: &str, mode: &str, bytes: &[u8]) -> Result<()> {
        self.tell(host, &["install", "-D", "-m", mode, "/dev/stdin", path], bytes).map(drop)
    }

    /// Removes a file of a running host, if it is there.
    ///
    /// # Errors
    /// When the host cannot.
    pub fn remove(&self, host: &Spec, path: &str) -> Result<()> {
        self.says(host, &["rm", "-f", path]).map(drop)
    }

    /// Whether there is such a file in a running host.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub fn exists(&self, host: &Spec, path: &str) -> Result<bool> {
        Ok(self.hosts.exec(&host.name, &["test", "-e", path], b"")?.status == 0)
    }

    /// A property of a unit, as the host's systemd has it.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub fn unit(&self, host: &Spec, unit: &str, property: &str) -> Result<String> {
        self.says(host, &["systemctl", "show", "--value", "--property", property, "--", unit])
    }

    /// The main process of a unit on each node; `0` where there is none.
    ///
    /// # Errors
    /// When a host cannot be asked.
    pub fn main_pids(&self, unit: &str) -> Result<Vec<String>> {
        self.nodes.iter().map(|host| self.unit(host, unit, "MainPID")).collect()
    }

    /// Waits until something is true.
    ///
    /// # Errors
    /// When it is not within the limit, with `what` was waited for.
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        mut is: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !is()? {
            if Instant::now() >= deadline {
                return Err(Error::Unmet(format!("not within {} s: {what}", limit.as_secs())));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Waits until every node answers, and says how long that took.
    ///
    /// # Errors
    /// When one does not within the limit.
    pub fn all_back(&self) -> Result<Duration> {
        let begun = Instant::now();
        self.until("every node answers", BACK_LIMIT, || {
            Ok(self.operator.order(&["ping", "-t", "1"])?.exit == 0)
        })?;
        Ok(begun.elapsed())
    }

    /// An order that every node must have answered with `ok`.
    ///
    /// # Errors
    /// When one did not.
    pub fn all_ok(&self, words: &[&str]) -> Result<Order> {
        let order = self.operator.order(words)?;
        self.ends(&order, 0, |_| ("ok", None))?;
        Ok(order)
    }

    /// Wants an exit code and, for every node, the state and reason that it is to have ended with.
    ///
    /// # Errors
    /// When anything is otherwise.
    pub fn ends<'a>(
        &self,
        order: &Order,
        exit: i32,
        end: impl Fn(&Spec) -> (&'a str, Option<&'a str>),
    ) -> Result<()> {
        let ends: Vec<_> = self.nodes.iter().map(|host| (host.fqdn(), end(host))).collect();
        let wanted: Vec<_> = ends.iter().map(|(name, end)| (name.as_str(), end.0, end.1)).collect();
        order.ends(exit, &wanted).map(drop)
    }

    /// Brings every host back to work after a case that failed.
    ///
    /// # Errors
    /// When one does not come back.
    pub fn heal(&mut self) -> Result<()> {
        for host in &self.nodes {
            self.hosts.boot(&host.name)?;
            self.hosts.thaw(&host.name)?;
            self.hosts.restore_link(&host.name)?;
            self.hosts.start_mcod(&host.name)?;
        }
        self.all_back().map(drop)
    }

    /// Prints the end of each node's journal.
    pub fn show_journals(&self) {
        let argv = ["journalctl", "--no-pager", "--quiet", "--lines=12", "--unit=mcod"];
        for host in self.nodes() {
            let text = self.says(host, &argv).unwrap_or_else(|error| error.to_string());
            println!("    {}:", host.fqdn());
            for line in text.lines() {
                println!("      {}", line.chars().take(SHOWN_CHARS).collect::<String>());
            }
        }
    }
}

/// Wants two things to be the same.
///
/// # Errors
/// When they are not, with `what` they are.
pub fn same<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::Unmet(format!("{what} is {found:?}, not {wanted:?}")))
}

/// Wants something to be true.
///
/// # Errors
/// When it is not, with `what` that is.
pub fn holds(what: &str, is: bool) -> Result<()> {
    if is { Ok(()) } else { Err(Error::Unmet(format!("not so: {what}"))) }
}
