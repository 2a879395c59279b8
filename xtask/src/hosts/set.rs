//! All hosts of one folder together: up, down, and finding one of them.

use super::archive::Archive;
use super::cgroup::Cgroup;
use super::error::{Error, Result, file};
use super::fleet::{Fleet, Programs};
use super::host::{EXEC_LIMIT, Host, exec_in};
use super::plan::{self, Role, Spec};
use super::process::Process;
use super::state::{Lock, State};
use super::{archive, base, layer, mount, net, packages};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The hosts of one folder.
#[derive(Debug)]
pub struct Hosts {
    dir: PathBuf,
    state: State,
}

impl Hosts {
    /// The hosts that an earlier command brought up in `dir`.
    ///
    /// # Errors
    /// When the folder cannot be made or its state not be read.
    pub fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(file("make", dir))?;
        let dir = dir.canonicalize().map_err(file("find", dir))?;
        let state = State::load(&dir)?;
        Ok(Self { dir, state })
    }

    /// The same for `down`, which needs no state: what is not written down it ends by force.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open_damaged(dir: &Path) -> Result<Self> {
        Self::open(dir).or_else(|error| {
            eprintln!("{error}");
            Ok(Self {
                dir: dir.canonicalize().map_err(file("find", dir))?,
                state: State::default(),
            })
        })
    }

    /// Makes and boots `nodes` hosts and the hub's, new ones each time, and waits until all are up
    /// and, with Marcato on them, have joined and registered.
    ///
    /// # Errors
    /// When hosts of this folder run already, or anything does not come up; what did come up then
    /// stays for inspection until `down`.
    pub fn up(&mut self, nodes: u16, programs: Option<Programs>) -> Result<()> {
        let _lock = Lock::take(&self.dir)?;
        if self.state.running.values().any(|process| process.alive()) {
            return Err(Error::Usage(format!(
                "{} hosts are up already; `cargo xtask hosts down` ends them",
                self.state.hosts.len()
            )));
        }
        packages::ensure()?;
        base::check_filesystem(&self.dir)?;
        self.clear()?;
        // Before the base tree, which takes a minute: the bridge may be another set's.
        net::up(&self.dir)?;
        let base = base::ensure(&self.dir)?;
        self.lay(&base, programs.as_ref())?;
        self.state.hosts = plan::hosts(nodes);
        self.state.save(&self.dir)?;
        let hosts = self.all()?;
        let specs = &self.state.hosts;
        let fleet = programs.map(|programs| Fleet::make(&self.dir, programs.mco(), specs));
        let fleet = fleet.transpose()?;
        in_parallel(&hosts, |host| {
            host.create(&layer::under(&self.dir, &base), specs)?;
            fleet.as_ref().map_or(Ok(()), |fleet| fleet.configure(host))
        })?;
        self.boot_all(&hosts)?;
        let Some(fleet) = fleet else { return Ok(()) };
        let is_node = |host: &Host| host.spec.role != Role::Hub;
        in_parallel(&hosts, |host| {
            if is_node(host) { fleet.join(self.leader(&host.spec.name)?) } else { Ok(()) }
        })?;
        fleet.wait_registered(usize::from(nodes))
    }

    /// Serves an archive of packages, and makes the layer under all hosts from it.
    fn lay(&self, base: &Path, programs: Option<&Programs>) -> Result<()> {
        let archive = self.archive();
        archive.make(&archive::pool(&self.dir, base)?)?;
        if let Some(programs) = programs {
            archive.add(&programs.package(&self.dir)?)?;
        }
        archive.serve(&cgroup_of(archive.folder())?)?;
        layer::make(&self.dir, base, programs.map(|_| "marcato"))
    }

    /// Makes and boots the next host of the plan beside those that run, and has it join; the others,
    /// and what an operator has, stay as they are.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn grow(&mut self, mco: PathBuf) -> Result<Spec> {
        let _lock = Lock::take(&self.dir)?;
        let nodes = u16::try_from(self.state.hosts.len()).unwrap_or(u16::MAX);
        let next = plan::hosts(nodes).pop().filter(|_| nodes <= plan::MOST_HOSTS);
        let spec = next.ok_or_else(|| Error::Usage("there are as many as may be".to_owned()))?;
        self.state.hosts.push(spec.clone());
        self.state.save(&self.dir)?;
        let fleet = Fleet::open(&self.dir, mco, &self.state.hosts)?;
        let host = self.place(spec.clone())?;
        let base = base::ensure(&self.dir)?;
        host.create(&layer::under(&self.dir, &base), &self.state.hosts)?;
        fleet.configure(&host)?;
        self.boot_all(&[host])?;
        fleet.join(self.leader(&spec.name)?)?;
        Ok(spec)
    }

    /// The archive that the hosts take packages from.
    pub fn archive(&self) -> Archive {
        Archive::of(&self.dir)
    }

    pub(super) fn boot_all(&mut self, hosts: &[Host]) -> Result<()> {
        for host in hosts {
            self.state.running.insert(host.spec.name.clone(), host.start()?);
        }
        self.state.save(&self.dir)?;
        let running = &self.state.running;
        in_parallel(hosts, |host| match running.get(&host.spec.name) {
            Some(&container) => report_degraded(host, &host.wait_booted(container)?, container),
            None => Ok(()),
        })
    }

    /// Ends every host in order and removes mounts, control groups and the bridge, also what a
    /// crashed run left. The base tree, logs and the hosts' upper layers stay.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub fn down(&mut self) -> Result<()> {
        let _lock = Lock::take(&self.dir)?;
        self.end_all()
    }

    fn end_all(&mut self) -> Result<()> {
        let in_order = in_parallel(&self.all()?, |host| {
            let container = self.container(&host.spec.name);
            container.map_or(Ok(()), |container| host.poweroff(container))
        });
        if let Err(error) = in_order {
            eprintln!("{error}; ending it by force");
        }
        // By the group, not by what was written down: a run may have ended before it wrote.
        Cgroup::new(&cgroup_of_set(&self.dir))?.remove()?;
        mount::unmount_below(&self.dir)?;
        net::down(&self.dir)?;
        self.state.running.clear();
        self.state.save(&self.dir)
    }

    /// Removes what an earlier set left in the folder, all but the base tree.
    fn clear(&mut self) -> Result<()> {
        self.end_all()?;
        for entry in fs::read_dir(&self.dir).map_err(file("read", &self.dir))?.flatten() {
            let path = entry.path();
            if is_host_dir(&path) {
                fs::remove_dir_all(&path).map_err(file("remove", &path))?;
            }
        }
        self.state = State::default();
        self.state.save(&self.dir)
    }

    /// The folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The plan that the hosts were made by.
    pub fn specs(&self) -> &[Spec] {
        &self.state.hosts
    }

    /// One host, by its short or its full name.
    ///
    /// # Errors
    /// When there is none of that name, with the names there are.
    pub fn host(&self, name: &str) -> Result<Host> {
        let specs = &self.state.hosts;
        match specs.iter().find(|spec| spec.name == name || spec.fqdn() == name) {
            Some(spec) => self.place(spec.clone()),
            None => {
                let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
                Err(Error::Usage(format!("no host {name:?}; there are: {}", names.join(" "))))
            }
        }
    }

    fn all(&self) -> Result<Vec<Host>> {
        self.state.hosts.iter().cloned().map(|spec| self.place(spec)).collect()
    }

    fn place(&self, spec: Spec) -> Result<Host> {
        let dir = self.dir.join(&spec.name);
        let cgroup = cgroup_of(&dir)?;
        Ok(Host { spec, dir, cgroup })
    }

    /// The container process of a host, if it runs.
    pub fn container(&self, name: &str) -> Option<Process> {
        let short = name.split('.').next().unwrap_or(name);
        self.state.running.get(short).copied().filter(|process| process.alive())
    }

    /// The id, on this machine, of a host's process 1.
    ///
    /// # Errors
    /// When the host does not run.
    pub fn leader(&self, name: &str) -> Result<Process> {
        let init = self.container(name).and_then(Process::init_child);
        init.ok_or_else(|| Error::Machine(format!("{name} is not running")))
    }
}

/// The control group of a host, by its folder.
///
/// # Errors
/// When the mount table cannot be read.
pub fn cgroup_of(host_dir: &Path) -> Result<Cgroup> {
    let set = cgroup_of_set(host_dir.parent().unwrap_or(host_dir));
    Cgroup::new(&set.join(host_dir.file_name().unwrap_or_default()))
}

/// The group of a whole set; named after its folder, so that two sets never share one.
fn cgroup_of_set(dir: &Path) -> PathBuf {
    let digest = Sha256::digest(dir.as_os_str().as_encoded_bytes());
    let key: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from(format!("marcato-hosts-{key}"))
}

/// Whether a folder has the layers of a host.
fn is_host_dir(path: &Path) -> bool {
    ["up", "work", "root"].iter().all(|layer| path.join(layer).is_dir())
}

/// A unit that failed is named, and is no reason to stop: what a test needs, it looks at itself.
fn report_degraded(host: &Host, state: &str, container: Process) -> Result<()> {
    if let (true, Some(init)) = (state != "running", container.init_child()) {
        let failed = ["systemctl", "--failed", "--plain", "--no-legend"];
        let units = exec_in(init, &failed, b"", EXEC_LIMIT)?.text();
        eprintln!("{} is {state}: {units}", host.spec.fqdn());
    }
    Ok(())
}

/// Does the same to all hosts at once; every one is tried, the first failure is given back.
pub fn in_parallel<T: Sync>(hosts: &[T], act: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = hosts.iter().map(|host| scope.spawn(|| act(host))).collect();
        let panicked = |_| Err(Error::Machine("a thread panicked".to_owned()));
        let results = threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked));
        // Collected first: every thread is joined before the first failure counts.
        results.collect::<Vec<_>>().into_iter().collect()
    })
}
