//! Reads what decides over orders: signers, policy, facts, agents. Each is taken whole or not at
//! all; what breaks while the node runs leaves the old one in place and says so.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use marcato_agent::safe::check_way;
use marcato_agent::{Catalog, job, policy};
use marcato_core::Facts;
use marcato_core::limits::node::POLICY_FILES_MAX;
use marcato_protocol::allowed_signers::AllowedSigners;
use marcato_protocol::digest::Digest;
use rustix::process::geteuid;

use super::config::{NodeConfig, Places};
use super::facts::{self, FactSource, Kept, Printed, Program, Sources, run_all};
use super::files::read;
use crate::core::Rules;
use crate::core::policy::Policy;

/// The agents of a node, and what is wrong with those that are missing.
#[derive(Clone, Default)]
pub struct Agents {
    /// The agents.
    pub catalog: Catalog,
    /// What was left out and why, in words.
    pub left_out: Vec<String>,
}

/// Everything that [`Rules`] are made of, as it was last read well.
pub(super) struct Sourced {
    places: Places,
    /// What the node works with; `read_only` follows the file.
    config: NodeConfig,
    signers: Arc<AllowedSigners>,
    policy: Arc<Policy>,
    facts: FactSource,
    agents: Agents,
    /// The classes, for agents.
    classes: Arc<RwLock<Vec<String>>>,
    /// The digest of what is kept of the facts for the next start.
    kept: Digest,
    /// What has changed in the configuration and is for the next start.
    fixed_changes: Vec<&'static str>,
    /// What is broken, and what holds instead.
    broken: Vec<String>,
}

impl Sourced {
    /// Reads everything for the first time. What is broken or missing is empty: nobody is known,
    /// nothing is allowed.
    pub(super) fn read(
        config: NodeConfig,
        places: Places,
        agents: Agents,
        classes: Arc<RwLock<Vec<String>>>,
    ) -> Self {
        let kept = Kept::read(&places.state.join(facts::KEPT)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the last good facts of before are lost");
            Kept::default()
        });
        let digest = Digest::of(kept.to_text().as_bytes());
        let facts = FactSource::resume(sources(Some(&config), &places), kept);
        let mut sourced = Self {
            places,
            config,
            signers: Arc::default(),
            policy: Arc::default(),
            facts,
            agents,
            classes,
            kept: digest,
            fixed_changes: Vec::new(),
            broken: Vec::new(),
        };
        sourced.share_classes();
        sourced.read_files(false);
        sourced
    }

    /// Reads everything again.
    pub(super) fn read_again(&mut self, agents: Option<Agents>) {
        self.agents = agents.unwrap_or_else(|| std::mem::take(&mut self.agents));
        self.read_facts_again();
        self.read_files(true);
    }

    /// Reads the facts again, and says whether anything changed.
    pub(super) fn read_facts_again(&mut self) -> bool {
        let is_new = self.facts.refresh();
        if is_new {
            self.share_classes();
        }
        is_new
    }

    /// The programs that give facts.
    pub(super) fn programs(&self) -> &[Program] {
        self.facts.programs()
    }

    /// Takes what they printed, and says whether anything changed.
    pub(super) fn take(&mut self, printed: Option<Printed>) -> bool {
        self.facts.take(printed)
    }

    /// All facts as they are now, the volatile ones too.
    pub(super) fn measured(&self) -> Arc<Facts> {
        Arc::new(self.facts.measured())
    }

    /// What is to be kept of the facts for the next start, if that has changed.
    pub(super) fn unkept(&mut self) -> Option<String> {
        let text = self.facts.kept().to_text();
        let digest = Digest::of(text.as_bytes());
        (std::mem::replace(&mut self.kept, digest) != digest).then_some(text)
    }

    fn share_classes(&self) {
        let mut shared = self.classes.write().unwrap_or_else(PoisonError::into_inner);
        self.facts.classes().clone_into(&mut shared);
    }

    fn read_files(&mut self, again: bool) {
        let instead = if again { "the old one holds" } else { "nothing is allowed" };
        self.broken.clear();
        match read_signers(&self.places.signers) {
            Ok(signers) => self.signers = Arc::new(signers),
            Err(errors) => self.broken.extend(said(&errors, instead)),
        }
        match read_policy(&self.places.policy) {
            Ok(policy) => self.policy = Arc::new(policy),
            Err(errors) => self.broken.extend(said(&errors, instead)),
        }
        let Some(path) = self.places.config.clone().filter(|_| again) else { return };
        match read_config(&path) {
            Ok(config) => {
                self.fixed_changes = self.config.fixed_changes(&config);
                self.config.read_only = config.read_only;
            }
            Err(error) => self.broken.extend(said(&[error], "the old one holds")),
        }
    }

    /// What is wrong, in words, for the log.
    pub(super) fn broken(&self) -> impl Iterator<Item = &str> {
        self.broken
            .iter()
            .chain(self.facts.health())
            .chain(&self.agents.left_out)
            .map(String::as_str)
    }

    /// What the node works with.
    pub(super) const fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The keys of the configuration that have changed and are for the next start.
    pub(super) fn fixed_changes(&self) -> &[&'static str] {
        &self.fixed_changes
    }

    pub(super) const fn catalog(&self) -> &Catalog {
        &self.agents.catalog
    }

    /// What the core is told.
    pub(super) fn rules(&self) -> Rules {
        let mut agents = self.agents.catalog.ddls();
        // Those that the core answers itself.
        let own = [job::DDL.ddl(), policy::DDL.ddl()].into_iter().flatten();
        agents.extend(own.map(|ddl| (ddl.metadata.name.clone(), ddl)));
        Rules {
            signers: self.signers.clone(),
            policy: self.policy.clone(),
            agents,
            facts: self.facts.facts().clone(),
            classes: self.facts.classes().to_vec(),
            health: self.broken().map(str::to_owned).collect(),
            read_only: self.config.read_only,
        }
    }
}

/// The first error, how many more there are, and what holds instead.
fn said(errors: &[String], instead: &str) -> Option<String> {
    let first = errors.first()?;
    let more = match errors.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("{first}{more}; {instead}"))
}

/// Where Facter looks for external facts by itself, the first to be taken first, and where Puppet
/// puts those of its modules.
const FOLDERS: [&str; 4] = [
    "etc/puppetlabs/facter/facts.d",
    "etc/facter/facts.d",
    "opt/puppetlabs/facter/facts.d",
    "opt/puppetlabs/puppet/cache/facts.d",
];

/// The sources that a configuration names; the usual ones without one.
fn sources(config: Option<&NodeConfig>, places: &Places) -> Sources {
    let files = config.and_then(|config| config.facts.clone());
    let folders = config.and_then(|config| config.facts_d.clone());
    Sources {
        files_required: files.is_some(),
        files: files.unwrap_or_else(|| vec![places.facts.clone()]),
        classes: config.and_then(|config| config.classes.clone()),
        folders: folders.unwrap_or_else(|| FOLDERS.map(|folder| places.root.join(folder)).to_vec()),
        facter: config.is_none_or(|config| config.facter),
        private: config.map(|config| config.private_facts.clone()).unwrap_or_default(),
        root: places.root.clone(),
    }
}

/// The facts of this configuration as its node would find them if it started now, but for what programs
/// print. What it keeps does not count where that cannot be read.
pub(super) fn resume(config: Option<&NodeConfig>, places: &Places) -> FactSource {
    let kept = Kept::read(&places.state.join(facts::KEPT)).unwrap_or_default();
    FactSource::resume(sources(config, places), kept)
}

/// Finds the facts of this host once, as a node with this configuration would.
pub async fn look_at(config: Option<&NodeConfig>, places: &Places) -> FactSource {
    let mut source = resume(config, places);
    let printed = run_all(source.programs()).await;
    source.take(printed);
    source
}

pub(super) fn read_config(path: &Path) -> Result<NodeConfig, String> {
    let missing = || format!("{}: there is no such file", path.display());
    let text = read(path).map_err(|error| error.to_string())?.ok_or_else(missing)?;
    NodeConfig::parse(&path.display().to_string(), &text).map_err(|error| error.to_string())
}

pub(super) fn read_signers(path: &Path) -> Result<AllowedSigners, Vec<String>> {
    let missing = || format!("{}: there is no such file", path.display());
    let text =
        read(path).map_err(|error| vec![error.to_string()])?.ok_or_else(|| vec![missing()])?;
    check_owner(path, is_root()).map_err(|error| vec![error])?;
    AllowedSigners::parse(&text, &path.display().to_string()).map_err(|errors| texts(&errors))
}

pub(super) fn read_policy(dir: &Path) -> Result<Policy, Vec<String>> {
    let wrong = |error: std::io::Error| vec![format!("{}: {error}", dir.display())];
    let mut files = Vec::new();
    let entries = std::fs::read_dir(dir).map_err(wrong)?;
    check_owner(dir, is_root()).map_err(|error| vec![error])?;
    for entry in entries {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_none_or(|extension| extension != "policy") {
            continue;
        }
        if files.len() == POLICY_FILES_MAX {
            let what = format!("{}: more than {POLICY_FILES_MAX} files", dir.display());
            return Err(vec![what]);
        }
        match read(&path).map_err(|error| vec![error.to_string()])? {
            Some(text) => {
                check_owner(&path, is_root()).map_err(|error| vec![error])?;
                files.push((path.display().to_string(), text));
            }
            // What it was to deny must not be allowed by the rules behind it. (Editors keep such
            // links as their locks, under hidden names.)
            None if path.is_symlink() && !is_hidden(&path) => {
                return Err(vec![format!("{}: a link that leads nowhere", path.display())]);
            }
            // A file that vanished since the folder was read is none.
            None => {}
        }
    }
    Policy::parse(&files).map_err(|errors| texts(&errors))
}

/// Whoever can write who may do what can do all that this process can. Where that is no more than one
/// user can, his files are his own business: many a user's are his group's too.
fn check_owner(path: &Path, is_root: bool) -> Result<(), String> {
    if is_root { check_way(path).map_err(|error| error.to_string()) } else { Ok(()) }
}

fn is_root() -> bool {
    geteuid().is_root()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn texts(errors: &[impl Display]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::write;
    use std::os::unix::fs::symlink;

    use rustix::fs::{Mode, chmod};

    use super::*;

    const CONFIG: &str = "collective = 'lab'\nbroker = 'nats://a:4222'\nauthority = \
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ'\n";

    #[test]
    fn what_a_reload_takes_and_what_is_for_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        let places = Places { root: dir.path().into(), ..Places::beside(&file, dir.path()) };
        let classes = Arc::default();
        let agents = Agents::default();
        let config = NodeConfig::parse("node.toml", CONFIG).unwrap();
        let mut sourced = Sourced::read(config, places, agents, Arc::clone(&classes));
        let mut check = |text: &str, read_only: bool, fixed: &[&str]| {
            write(&file, text).unwrap();
            sourced.read_again(None);
            assert_eq!((sourced.rules().read_only, sourced.fixed_changes()), (read_only, fixed));
            assert_eq!(sourced.config().broker[0].as_str(), "nats://a:4222");
        };
        check(CONFIG, false, &[]);
        check(&format!("{CONFIG}read_only = true\n"), true, &[]);
        let other = CONFIG.replace("a:4222", "b:4222") + "facts = '/f'\nclasses = '/c'\n";
        check(&other, false, &["broker", "facts", "classes"]);
        check(
            &other.replace("'lab'", "'prod'").replace("JdD7y", "JdD7z"),
            false,
            &["collective", "broker", "authority", "facts", "classes"],
        );
        let more = format!("{CONFIG}identity = 'a'\nagents_dir = '/a'\n");
        check(&more, false, &["identity", "agents_dir"]);
        check(CONFIG, false, &[]);
    }

    #[test]
    fn agents_have_the_classes_of_the_registration() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        let places = Places { root: dir.path().into(), ..Places::beside(&file, dir.path()) };
        let listed = dir.path().join("classes.txt");
        let mut config = NodeConfig::parse("node.toml", CONFIG).unwrap();
        config.classes = Some(listed.clone());
        let shared = Arc::<RwLock<Vec<String>>>::default();
        write(&listed, "common\n").unwrap();
        let mut sourced = Sourced::read(config, places, Agents::default(), shared.clone());
        assert_eq!(*shared.read().unwrap(), ["common"]);
        write(&listed, "common\nrole::db\n").unwrap();
        assert!(sourced.read_facts_again());
        assert_eq!(*shared.read().unwrap(), ["common", "role::db"]);
        write(&listed, "bad\x07\n").unwrap();
        sourced.read_again(None);
        assert_eq!(*shared.read().unwrap(), sourced.rules().classes);
    }

    #[test]
    fn good_facts_are_kept_when_they_change_and_hold_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        let places = Places { root: dir.path().into(), ..Places::beside(&file, dir.path()) };
        let start = || {
            let config = NodeConfig::parse("node.toml", CONFIG).unwrap();
            Sourced::read(config, places.clone(), Agents::default(), Arc::default())
        };
        write(&places.facts, "hagroup: c\n").unwrap();
        let mut sourced = start();
        facts::keep(&dir.path().join(facts::KEPT), &sourced.unkept().unwrap()).unwrap();
        assert_eq!(sourced.unkept(), None);
        write(&places.facts, "hagroup: [\n").unwrap();
        let mut sourced = start();
        assert_eq!(sourced.rules().facts["hagroup"], "c");
        let said = sourced.facts.health();
        assert!(said.len() == 1 && said[0].ends_with("; the values read before hold"), "{said:?}");
        assert_eq!(sourced.unkept(), None, "it is kept already");
        assert_eq!(
            resume(None, &places).facts()["hagroup"],
            "c",
            "as whoever looks from outside sees"
        );
        write(&places.facts, "hagroup: d\n").unwrap();
        sourced.read_facts_again();
        assert!(sourced.unkept().is_some_and(|text| text.contains("\"d\"")));
    }

    #[test]
    fn a_policy_whose_file_is_elsewhere_and_gone_is_no_policy() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(at("50-all.policy"), "allow callers=* agents=* actions=*\n").unwrap();
        symlink("someone@host.1:2", at(".#50-all.policy")).unwrap();
        assert_eq!(read_policy(dir.path()).unwrap().len(), 1, "an editor's lock is no rule");
        write(at("denied"), "deny callers=* agents=* actions=* effect=change\n").unwrap();
        symlink(at("denied"), at("00-deny.policy")).unwrap();
        assert_eq!(read_policy(dir.path()).unwrap().len(), 2);
        std::fs::remove_file(at("denied")).unwrap();
        let errors = read_policy(dir.path()).unwrap_err();
        assert!(errors[0].ends_with("00-deny.policy: a link that leads nowhere"), "{errors:?}");
    }

    #[test]
    fn what_root_is_to_do_only_root_may_write() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("policy.d")).unwrap();
        write(at("policy.d/a.policy"), "allow callers=* agents=* actions=*\n").unwrap();
        write(at("allowed_signers"), "").unwrap();
        let all = ["policy.d", "policy.d/a.policy", "allowed_signers"];
        for name in all {
            chmod(at(name), Mode::from_raw_mode(0o775)).unwrap();
            let said = check_owner(&at(name), true).unwrap_err();
            assert!(said.ends_with(&format!("run: chmod go-w {}", at(name).display())), "{said}");
            assert!(check_owner(&at(name), false).is_ok());
            let refused = read_signers(&at("allowed_signers")).is_err()
                || read_policy(&at("policy.d")).is_err();
            assert_eq!(refused, is_root(), "{name}");
            chmod(at(name), Mode::from_raw_mode(0o755)).unwrap();
            assert!(check_owner(&at(name), true).is_ok());
        }
        assert!(
            read_signers(&at("allowed_signers")).is_ok() && read_policy(&at("policy.d")).is_ok()
        );
    }
}
