//! The nodes of one of the lab's processes: each is as its host is, switched off and with a wrong
//! clock too.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use marcato_agent::runner::Launch;
use marcato_agents::lab::{self, LabMachine};
use marcato_agents::{About, Platform};
use marcato_core::Span;
use marcato_link::LinkError;
use marcato_node::shell::{Agents, Disk, Handle, NodeShell, Start};
use marcato_protocol::version::Spoken;
use tokio::task::{JoinError, JoinSet};

use super::layout::Layout;
use super::make;
use crate::mcod;
use crate::words::Failure;

/// How a node's task ended, and which node it was.
type Ended = Result<(usize, Result<(), LinkError>), JoinError>;

/// Nodes in one process.
pub(super) struct Served<'a> {
    lab: &'a Layout,
    program: PathBuf,
    disk: Disk,
    nodes: Vec<LabNode>,
    /// Those that run.
    pub(super) running: JoinSet<(usize, Result<(), LinkError>)>,
    stopping: bool,
}

struct LabNode {
    name: String,
    simulated: bool,
    /// How its host is as a machine.
    machine: LabMachine,
    /// While it runs, or has not ended yet.
    handle: Option<Handle>,
}

impl<'a> Served<'a> {
    /// None yet; `program` is `mcod`.
    pub(super) fn new(lab: &'a Layout, program: PathBuf, disk: Disk) -> Self {
        let (nodes, running) = (Vec::new(), JoinSet::new());
        Self { lab, program, disk, nodes, running, stopping: false }
    }

    /// Whether there is anything to wait for: a node that is switched off may come back.
    pub(super) fn is_on(&self) -> bool {
        let off = |node: &LabNode| node.machine.down;
        !self.running.is_empty() || (!self.stopping && self.nodes.iter().any(off))
    }

    /// Adds a node and starts it: a fleet that comes up comes up whole.
    pub(super) fn add(&mut self, name: String, simulated: bool) -> Result<(), Failure> {
        let mut machine = LabMachine::default();
        if simulated {
            let on = self.host(&name).change(|host| {
                host.machine.down = false;
                host.machine
            });
            machine = on.map_err(|error| self.lab.failure(&error))?;
        }
        self.nodes.push(LabNode { name, simulated, machine, handle: None });
        self.start(self.nodes.len() - 1)
    }

    /// Lets all end.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.handles().for_each(Handle::stop);
    }

    /// Lets all read their files again.
    pub(super) fn reload(&self) {
        self.handles().for_each(|handle| handle.reload(None));
    }

    /// Looks at every host again: switches nodes off and on, and sets their clocks.
    pub(super) fn look_again(&mut self) {
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            if !node.simulated {
                continue;
            }
            let machine = match self.host(&node.name).read() {
                Ok(host) => host.machine,
                Err(error) => {
                    tracing::error!(node = node.name, %error, "its host cannot be read");
                    continue;
                }
            };
            self.nodes[at].machine = machine;
            match &self.nodes[at].handle {
                Some(handle) if machine.down => handle.stop(),
                Some(handle) => handle.set_clock_behind(Span::from_secs(machine.clock_behind)),
                None => self.start_again(at),
            }
            // Whoever waits for this look sees that it is over; mostly nobody does.
            let _ = fs::remove_file(self.lab.look_again(&self.nodes[at].name));
        }
    }

    /// Takes note of a node that has ended.
    pub(super) fn ended(&mut self, ended: Ended) {
        match ended {
            Ok((at, result)) => {
                self.nodes[at].handle = None;
                match result {
                    Ok(()) if !self.stopping && !self.nodes[at].machine.down => {
                        self.start_again(at);
                    }
                    Ok(()) => {}
                    Err(error) => tracing::error!(%error, "a node has ended"),
                }
            }
            Err(error) => tracing::error!(%error, "a node has ended"),
        }
    }

    fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.nodes.iter().filter_map(|node| node.handle.as_ref())
    }

    fn host(&self, name: &str) -> lab::Lab {
        lab::Lab::open(self.lab.node(name).join("host"))
    }

    fn start_again(&mut self, at: usize) {
        if self.nodes[at].machine.down {
            return;
        }
        if let Err(failure) = self.start(at) {
            tracing::error!(node = self.nodes[at].name, "{failure}");
        }
    }

    fn start(&mut self, at: usize) -> Result<(), Failure> {
        let LabNode { name, machine, .. } = &self.nodes[at];
        let opened = NodeShell::open(self.setup(name)?, &self.disk);
        let (node, handle) = opened.map_err(|error| self.lab.failure(&error))?;
        handle.set_clock_behind(Span::from_secs(machine.clock_behind));
        self.running.spawn(async move { (at, node.run().await) });
        self.nodes[at].handle = Some(handle);
        Ok(())
    }

    fn setup(&self, name: &str) -> Result<Start, Failure> {
        let lab = self.lab;
        let (config, places) = make::settings(lab, name)?;
        let host = lab.node(name).join("host");
        let mut arguments = vec!["run".into()];
        let platform = if name == super::hosts::THIS_MACHINE {
            Platform::Native
        } else {
            arguments.extend(["--lab".into(), host.clone().into_os_string()]);
            Platform::Lab(host)
        };
        let about = mcod::about();
        let catalog = marcato_agents::catalog(&platform, about.clone());
        let catalog = catalog.map_err(|error| lab.failure(&error))?;
        let About { classes, health, .. } = about;
        Ok(Start {
            config,
            places,
            agents: Agents { catalog, left_out: Vec::new() },
            classes,
            health,
            launch: Arc::new(Launch { program: self.program.clone(), arguments }),
            spoken: Spoken::RELEASE,
        })
    }
}
