//! Keys and certificates, made once for all runs of a process: what is tested is their use.

use std::sync::{Arc, OnceLock};

use marcato_core::{CallerId, Collective, Identity, Timestamp};
use marcato_protocol::certificate::{Certificate, SignedText, machine_digest};
use marcato_protocol::keys::{NodeSignKey, OpenKey};
use marcato_protocol::sshsig::Namespace;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

use crate::EPOCH;

/// How many hosts there are keys for.
pub const HOSTS_MAX: usize = 28;

/// How many operators there are. The last one's key is in nobody's `allowed_signers`.
pub const OPERATORS: usize = 3;

/// What a host is born with: a fleet's word for its keys.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Signs what the node says.
    pub key: Arc<NodeSignKey>,
    /// The authority's word for it.
    pub certificate: Arc<str>,
}

/// A host that there are keys for.
#[derive(Debug)]
pub struct HostKeys {
    /// Its name.
    pub identity: Identity,
    /// Its keys, and those that it has after it was rebuilt.
    pub births: [Birth; 2],
}

/// All keys.
#[derive(Debug)]
pub struct Keys {
    /// The fleet.
    pub collective: Collective,
    /// The key of the fleet's authority.
    pub authority: NodeSignKey,
    /// The hosts.
    pub hosts: Vec<HostKeys>,
    /// Who signs orders, with his key.
    pub operators: Vec<(CallerId, NodeSignKey)>,
    /// A key that nobody vouches for.
    pub stranger: NodeSignKey,
    /// What the stranger's own authority says of him, in the name of the first host.
    pub forged: String,
}

impl Keys {
    /// The keys of this process: the same ones in every process.
    #[must_use]
    pub fn shared() -> &'static Self {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(Self::make)
    }

    fn make() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let authority = NodeSignKey::generate(&mut random);
        let stranger = NodeSignKey::generate(&mut random);
        let collective: Collective = name("sim");
        let kinds = ["web", "db", "app", "old"];
        let hosts = (0..HOSTS_MAX).map(|index| {
            let identity = format!("{}{}.example.com", kinds[index % 4], index / 4 + 1);
            let identity: Identity = name(&identity);
            let births = [0, 1].map(|birth| {
                let key = Arc::new(NodeSignKey::generate(&mut random));
                let open = OpenKey::generate(&mut random);
                let machine = format!("{identity}-{birth}");
                let certificate = Certificate {
                    v: 1,
                    collective: collective.clone(),
                    identity: identity.clone(),
                    sign: key.public().clone(),
                    open: *open.public(),
                    machine: machine_digest(&machine),
                    issued: Timestamp::from_ms(EPOCH - 1000 + birth),
                    ext: serde_json::Map::new(),
                };
                Birth { key, certificate: certify(&certificate, &authority).into() }
            });
            HostKeys { identity, births }
        });
        let hosts: Vec<HostKeys> = hosts.collect();
        let operators = (0..OPERATORS).map(|index| {
            let caller = format!("op{}@example.com", index + 1);
            (name(&caller), NodeSignKey::generate(&mut random))
        });
        let operators = operators.collect();
        let forged = Certificate {
            v: 1,
            collective: collective.clone(),
            identity: hosts[0].identity.clone(),
            sign: stranger.public().clone(),
            open: *OpenKey::generate(&mut random).public(),
            machine: machine_digest("stranger"),
            issued: Timestamp::from_ms(EPOCH),
            ext: serde_json::Map::new(),
        };
        let forged = certify(&forged, &stranger);
        Self { collective, authority, hosts, operators, stranger, forged }
    }
}

fn certify(certificate: &Certificate, authority: &NodeSignKey) -> String {
    let bytes = certificate.to_bytes();
    let signature = authority.sign(Namespace::Join, &bytes);
    SignedText::new(bytes, signature).to_string()
}

/// A name that this crate itself wrote.
///
/// # Panics
/// Where it is none.
#[must_use]
pub fn name<T: std::str::FromStr>(text: &str) -> T {
    let Ok(name) = text.parse() else { panic!("{text:?} is no name of this kind") };
    name
}
