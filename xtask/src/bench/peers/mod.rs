//! The same requests to peers, in the same run: the ancestor over its broker, and what people do
//! over SSH. All of them are Debian's packages in a tree of their own, in namespaces of their own.

pub mod choria;
mod mcollective;
mod room;
mod ssh;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::page::{Value, median};
use super::request::Request;
use super::{Effort, process, tell};
use mcollective::Ancestor;
use room::Room;

/// Runs before the first that counts.
const WARM_UP: usize = 1;

/// How the peers were measured, for the page.
const HOW: &str = "Peers in this run: MCollective (`mcollectived` and `mco`, Ruby, RabbitMQ over \
    STOMP, its ssl plugin with RSA keys of 2,048 bits, no TLS; \"with a list\" is `--nodes FILE`, \
    which spares its discovery of 2 s), clush and pssh (50 connections at a time), and Ansible (50 \
    forks), those three over real sshd on as many addresses of loopback. Debian's packages, in \
    a tree and in namespaces of their own. Debian's MCollective does not run on its Ruby 3.1 as it \
    is: three calls of `YAML.safe_load` (facts, and two security plugins) were given today's named \
    arguments; its package agent, which Debian does not ship, is one of a few lines that calls \
    dpkg-query.";

/// What peers took for each request to so many nodes, in words for the page.
#[derive(Debug, Default)]
pub struct Peers(BTreeMap<(Request, usize), Vec<String>>);

impl Peers {
    /// Measures all peers with fleets of growing size.
    ///
    /// # Errors
    /// When the peers cannot be installed, started or asked; the error is one sentence.
    pub fn measure(scratch: &Path, effort: &Effort) -> Result<Self, String> {
        let mut peers = Self::default();
        tell("peers: their tree");
        let room = Room::open(scratch)?;
        tell("peers: MCollective");
        let mut ancestor = Ancestor::start(&room)?;
        for &nodes in effort.peers {
            ancestor.grow(nodes)?;
            for request in Request::ALL {
                let words = ancestor.measure(request, effort)?;
                peers.say(request, nodes, "MCollective", &words);
            }
        }
        drop(ancestor);
        ssh::prepare(&room, effort.peers)?;
        for &nodes in effort.peers {
            for tool in ssh::TOOLS.iter().filter(|tool| nodes <= tool.most) {
                tell(&format!("peers: {} of {nodes}", tool.name));
                let took = time(|| tool.command(&room, nodes), effort)?;
                peers.say(tool.request, nodes, tool.name, &Value::time(took).to_string());
            }
        }
        Ok(peers)
    }

    fn say(&mut self, request: Request, nodes: usize, who: &str, took: &str) {
        self.0.entry((request, nodes)).or_default().push(format!("{who} {took}"));
    }

    /// What peers took for a request, measured here or elsewhere.
    pub fn words(&self, request: Request, nodes: usize) -> String {
        let mut all = self.0.get(&(request, nodes)).cloned().unwrap_or_default();
        let choria = choria::wall(request, nodes);
        if !choria.is_empty() {
            all.push(format!("Choria, elsewhere: {choria}"));
        }
        all.join("; ")
    }

    /// How all that was measured.
    pub fn how(&self) -> String {
        let here = if self.0.is_empty() { String::new() } else { format!("{HOW} ") };
        here + choria::HOW
    }
}

/// The median time of a command, after one run to warm up.
fn time(command: impl Fn() -> Command, effort: &Effort) -> Result<Duration, String> {
    for _ in 0..WARM_UP {
        process::succeed(&mut command())?;
    }
    let run = |_| process::succeed(&mut command()).map(|(_, took)| took);
    let times: Vec<Duration> = (0..effort.peer_runs).map(run).collect::<Result<_, _>>()?;
    Ok(median(times))
}
