//! Makes a lab's keys, certificates and configuration; what is there stays. The lab plays the fleet's
//! authority.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use marcato_agents::lab;
use marcato_client::core::KnownNode;
use marcato_node::shell::{self, NodeConfig, Places};
use marcato_protocol::certificate::SignedText;
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::sshsig::Namespace;
use rand_core::{CryptoRng, SeedableRng as _};

use super::hosts::{LabHost, THIS_MACHINE};
use super::layout::{CALLER, COLLECTIVE, Layout, make_dir, write};
use super::up::ANY_PORT;
use crate::words::Failure;

/// The keys that only the operators' side holds.
pub(super) struct Keys {
    pub(super) authority: NodeSignKey,
    pub(super) operator: NodeSignKey,
}

/// Makes what does not depend on the hub's address.
pub(super) fn fleet(lab: &Layout) -> Result<Keys, Failure> {
    let make = || {
        for name in ["etc/policy.d", "hub", "nodes", "log", "state"] {
            make_dir(&lab.path(name))?;
        }
        let mut random = random()?;
        let keys = Keys {
            authority: key(lab, "authority", &mut random)?,
            operator: key(lab, "operator", &mut random)?,
        };
        let operator = keys.operator.public();
        let signers = format!("{CALLER} namespaces=\"order.v1@marcato\" {operator}\n");
        write(&lab.path("etc/allowed_signers"), signers.as_bytes())?;
        let policy = format!(
            "# The lab's operator may use every agent of the lab.\n\
             allow callers={CALLER} agents=rpcutil,package,service actions=*\n"
        );
        write(&lab.path("etc/policy.d/00-lab.policy"), policy.as_bytes())?;
        if !lab.hub().join("hub.toml").exists() {
            hub(lab, &keys, ANY_PORT)?;
        }
        Ok(keys)
    };
    make().map_err(|error: io::Error| lab.failure(&error))
}

/// Writes the hub's configuration.
pub(super) fn hub(lab: &Layout, keys: &Keys, listen: SocketAddr) -> io::Result<()> {
    let text = format!(
        "collective = \"{COLLECTIVE}\"\nauthority = \"{}\"\nlisten = \"{listen}\"\n",
        keys.authority.public()
    );
    write(&lab.hub().join("hub.toml"), text.as_bytes())
}

/// Writes the client's configuration.
pub(super) fn client(lab: &Layout, keys: &Keys, address: SocketAddr) -> Result<(), Failure> {
    let text = format!(
        "state = {}\n\n[fleets.{COLLECTIVE}]\nbroker = \"nats://{address}\"\nauthority = \"{}\"\n\
         caller = \"{CALLER}\"\nkey = {}\n",
        quoted(&lab.path("state")),
        keys.authority.public(),
        quoted(&lab.path("operator")),
    );
    write(&lab.client_toml(), text.as_bytes()).map_err(|error| lab.failure(&error))
}

/// A path as TOML has it.
fn quoted(path: &Path) -> String {
    toml::Value::from(path.display().to_string()).to_string()
}

/// Makes the nodes and this machine, each with its keys and the certificate that the authority signs.
pub(super) fn nodes(
    lab: &Layout,
    keys: &Keys,
    address: SocketAddr,
    count: u32,
) -> Result<(), Failure> {
    for index in 0..count as usize {
        let host = LabHost::of(index);
        let make = || {
            let dir = lab.node(&host.name());
            for name in ["etc", "host", "root"] {
                make_dir(&dir.join(name))?;
            }
            lab::Lab::create(&dir.join("host"), &host.host())?;
            let facts = serde_json::to_vec_pretty(&host.facts())?;
            keep(&dir.join("etc/facts.yaml"), &facts)?;
            machine_id(&dir)
        };
        make().map_err(|error: io::Error| lab.failure(&error))?;
        certify(lab, keys, address, &host.name())?;
    }
    let dir = lab.node(THIS_MACHINE);
    make_dir(&dir.join("etc")).map_err(|error| lab.failure(&error))?;
    // A container may have no machine-id of its own; the name says which machine it is.
    machine_id(&dir).map_err(|error| lab.failure(&error))?;
    certify(lab, keys, address, THIS_MACHINE)?;
    introduce(lab, keys, count)
}

/// Makes the lab's nodes, and no others, known to its operator: he then sees that a hub which has
/// only just started names them all.
fn introduce(lab: &Layout, keys: &Keys, count: u32) -> Result<(), Failure> {
    let simulated = (0..count as usize).map(|index| LabHost::of(index).name());
    let collective = COLLECTIVE.parse().map_err(|error| lab.failure(&error))?;
    let known = |name: String| {
        let text = fs::read_to_string(lab.node(&name).join("state/certificate"))?;
        let text = SignedText::parse(text.trim()).map_err(io::Error::other)?;
        let certificate = text.verify(keys.authority.public(), &collective);
        let certificate = certificate.map_err(io::Error::other)?;
        Ok(KnownNode::of(&certificate))
    };
    let names = simulated.chain([THIS_MACHINE.to_owned()]);
    let nodes: Result<Vec<_>, io::Error> = names.map(known).collect();
    let nodes = nodes.map_err(|error| lab.failure(&error))?;
    // Those of an earlier lab in this folder are gone.
    let _ = fs::remove_file(lab.known_nodes());
    marcato_client::shell::save(&lab.known_nodes(), nodes).map_err(|error| lab.failure(&error))
}

/// What one node reads.
pub(super) fn settings(lab: &Layout, name: &str) -> Result<(NodeConfig, Places), Failure> {
    let dir = lab.node(name);
    let file = dir.join("etc/node.toml");
    let shown = file.display().to_string();
    let text = fs::read_to_string(&file).map_err(|error| lab.failure(&error))?;
    let config = NodeConfig::parse(&shown, &text).map_err(|error| lab.failure(&error))?;
    let mut places = Places::beside(&file, &dir.join("state"));
    places.signers = lab.path("etc/allowed_signers");
    places.policy = lab.path("etc/policy.d");
    places.machine_id = dir.join("etc/machine-id");
    if name != THIS_MACHINE {
        // Nothing of this machine shows through among a simulated host's facts.
        places.root = dir.join("root");
    }
    Ok((config, places))
}

/// Writes a node's configuration, and has its keys certified if they are not.
fn certify(lab: &Layout, keys: &Keys, address: SocketAddr, name: &str) -> Result<(), Failure> {
    let dir = lab.node(name);
    let text = format!(
        "collective = \"{COLLECTIVE}\"\nbroker = \"nats://{address}\"\nauthority = \"{}\"\n\
         identity = \"{name}\"\nread_only = {}\n",
        keys.authority.public(),
        name == THIS_MACHINE,
    );
    write(&dir.join("etc/node.toml"), text.as_bytes()).map_err(|error| lab.failure(&error))?;
    if dir.join("state/certificate").exists() {
        return Ok(());
    }
    let (config, places) = settings(lab, name)?;
    let request = shell::request_certificate(&config, &places);
    let request = request.map_err(|error| lab.failure(&error))?;
    let signed = sign(&request, &keys.authority).map_err(|error| lab.failure(&error))?;
    let installed = shell::install_certificate(&config, &places, &signed.to_string());
    installed.map_err(|error| lab.failure(&error))
}

/// Signs a node's request as it stands.
fn sign(
    request: &str,
    authority: &NodeSignKey,
) -> Result<SignedText, marcato_protocol::certificate::CertificateError> {
    let body = SignedText::parse(request)?.verify_request()?.wanted().to_bytes();
    let signature = authority.sign(Namespace::Join, &body);
    Ok(SignedText::new(body, signature))
}

/// Reads a key, or makes it at the first time.
fn key(lab: &Layout, name: &str, random: &mut impl CryptoRng) -> io::Result<NodeSignKey> {
    let path = lab.path(name);
    if let Ok(pem) = fs::read_to_string(&path) {
        return NodeSignKey::from_openssh(&pem).map_err(io::Error::other);
    }
    let key = NodeSignKey::generate(random);
    let pem = key.to_openssh(&format!("{name}@lab")).map_err(io::Error::other)?;
    write(&path, pem.as_bytes())?;
    write(&lab.path(&format!("{name}.pub")), format!("{} {name}@lab\n", key.public()).as_bytes())?;
    Ok(key)
}

fn machine_id(dir: &Path) -> io::Result<()> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let id = format!("{:032x}\n", u128::from_be_bytes(bytes));
    keep(&dir.join("etc/machine-id"), id.as_bytes())
}

/// Writes a file that is not there yet: what somebody changed stays.
fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.exists() { Ok(()) } else { write(path, bytes) }
}

fn random() -> io::Result<rand_chacha::ChaCha20Rng> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(rand_chacha::ChaCha20Rng::from_seed(seed))
}
