//! A host's facts and classes: what the node finds by itself, what programs on it find, and what a
//! person gives in files, which comes first.

mod external;
mod file;
mod json;
mod kept;
mod native;
mod private;
mod programs;
mod scalar;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use marcato_agent::safe::check_way;
use marcato_core::Facts;
use marcato_core::facts::{is_volatile, merge, remove_volatile};
use marcato_core::limits::facts::LEFT_OUT_NAMED_MAX;

use external::Kind;
pub use external::{read_facter, read_output};
pub use file::{FactError, Sifted, read_classes, read_facts};
pub(super) use kept::{KEPT, Kept, keep};
pub use native::{
    Address, Interface, Kernel, find as native, fqdn, interfaces, measure, parse_interfaces,
};
pub use private::Private;
pub use programs::{Printed, Program, Programs, run_all};

/// Where a node's facts and classes come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The facts files, YAML or JSON; of a fact that several give, the last one's value holds.
    pub files: Vec<PathBuf>,
    /// Whether those files must be there: they must if the configuration names them, and need not
    /// where they only have their usual name.
    pub files_required: bool,
    /// The classes file, if there is one.
    pub classes: Option<PathBuf>,
    /// Folders of external facts; of a fact that several give, the first one's value holds.
    pub folders: Vec<PathBuf>,
    /// Whether Facter is run, where it is installed.
    pub facter: bool,
    /// What never leaves the host.
    pub private: Private,
    /// Under what folder the host's own files lie: `/` but for tests.
    pub root: PathBuf,
}

/// What a source gave when it was last read well, and what was wrong with it when it was last read.
#[derive(Debug)]
struct Reading<T> {
    good: Option<T>,
    error: Option<FactError>,
    /// What is wrong with single facts, where the others are taken.
    left_out: Option<FactError>,
}

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Self { good: None, error: None, left_out: None }
    }
}

impl<T> Reading<T> {
    /// Takes what a file holds now; one that may be missing and never was there is no error.
    fn take(&mut self, read: Result<Option<T>, FactError>, path: &Path, required: bool) {
        self.error = match read {
            Ok(Some(value)) => {
                self.good = Some(value);
                None
            }
            Ok(None) if self.good.is_none() && !required => None,
            Ok(None) => {
                let what = "there is no such file".to_owned();
                Some(FactError { path: path.to_owned(), line: None, what })
            }
            Err(error) => Some(error),
        };
    }

    /// What is wrong.
    fn fault(&self) -> Option<&FactError> {
        self.error.as_ref().or(self.left_out.as_ref())
    }

    /// What is wrong, and what holds instead.
    fn health(&self) -> Option<String> {
        let instead = match (&self.error, &self.good) {
            (None, _) => "all others are taken",
            (Some(_), Some(_)) => "the values read before hold",
            (Some(_), None) => "nothing is taken",
        };
        Some(format!("{}; {instead}", self.fault()?))
    }
}

impl Reading<Facts> {
    /// Takes those that are fit.
    fn take_sifted(&mut self, read: Result<Option<Sifted>, FactError>, path: &Path) {
        let mut left_out = Vec::new();
        let facts = read.map(|read| {
            let Sifted { facts, left_out: unfit } = read?;
            left_out = unfit;
            Some(facts)
        });
        self.take(facts, path, true);
        let more = left_out.len().saturating_sub(LEFT_OUT_NAMED_MAX);
        left_out.truncate(LEFT_OUT_NAMED_MAX);
        if more > 0 {
            left_out.push(format!("and {more} more"));
        }
        let what = left_out.join("; ");
        let is_any = !what.is_empty();
        self.left_out = is_any.then(|| FactError { path: path.to_owned(), line: None, what });
    }
}

/// Facts and classes as they were last read well.
///
/// A source that breaks does not change what the node is: its last good values stay, over a restart too,
/// and [`FactSource::health`] says so.
#[derive(Debug)]
pub struct FactSource {
    sources: Sources,
    read: BTreeMap<PathBuf, Reading<Facts>>,
    /// The sources in the order in which they come: what a later one gives holds.
    order: Vec<PathBuf>,
    programs: Vec<Program>,
    classes: Reading<Vec<String>>,
    facts: Arc<Facts>,
    /// The facts with names of volatile ones that somebody gives instead.
    given: Facts,
    health: Vec<String>,
}

impl FactSource {
    /// Reads everything but programs for the first time; see [`FactSource::errors`] for what failed.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self::resume(sources, Kept::default())
    }

    /// The same where these values were read well before: they hold where a source is broken now, and
    /// until a program has run. A file that need not be there and is gone is not broken.
    pub(super) fn resume(sources: Sources, kept: Kept) -> Self {
        let Kept { mut facts, classes } = kept;
        if !sources.files_required {
            for path in sources.files.iter().filter(|path| matches!(path.try_exists(), Ok(false))) {
                facts.remove(path);
            }
        }
        let read = |(path, facts)| (path, Reading { good: Some(facts), ..Reading::default() });
        let classes = classes.filter(|(path, _)| sources.classes.as_ref() == Some(path));
        let mut source = Self {
            sources,
            read: facts.into_iter().map(read).collect(),
            order: Vec::new(),
            programs: Vec::new(),
            classes: Reading { good: classes.map(|(_, classes)| classes), ..Reading::default() },
            facts: Arc::default(),
            given: Facts::new(),
            health: Vec::new(),
        };
        source.refresh();
        source
    }

    /// Reads everything but programs again, and says whether facts, classes or health changed.
    /// Blocks on disk.
    pub fn refresh(&mut self) -> bool {
        self.order.clear();
        self.programs.clear();
        if self.sources.facter
            && let Some(facter) = Program::facter(&self.sources.root)
        {
            self.add_program(facter);
        }
        for folder in self.sources.folders.clone().iter().rev() {
            self.read_folder(folder);
        }
        for path in self.sources.files.clone() {
            let required = self.sources.files_required;
            self.read.entry(path.clone()).or_default().take(read_facts(&path), &path, required);
            self.order.push(path);
        }
        // A file that was taken out of a folder gives nothing any more.
        self.read.retain(|path, _| self.order.contains(path));
        let listed = self.classes.good.clone();
        if let Some(path) = &self.sources.classes {
            self.classes.take(read_classes(path), path, true);
        }
        self.compose() || self.classes.good != listed
    }

    fn read_folder(&mut self, folder: &Path) {
        let files = match external::files(folder) {
            Ok(files) => files,
            Err(error) => {
                // What was read from it before holds.
                let inside: Vec<PathBuf> = self
                    .read
                    .keys()
                    .filter(|path| path.parent() == Some(folder))
                    .cloned()
                    .collect();
                let good = (!inside.is_empty()).then(Facts::new);
                self.order.extend(inside);
                let reading = Reading { good, error: Some(error), left_out: None };
                self.read.insert(folder.to_owned(), reading);
                return self.order.push(folder.to_owned());
            }
        };
        for (path, kind) in files {
            if kind == Kind::Executable {
                self.add_program(Program::Executable(path));
                continue;
            }
            let reading = self.read.entry(path.clone()).or_default();
            reading.take_sifted(external::read_data(&path, kind), &path);
            self.order.push(path);
        }
    }

    /// Has a program run, unless anyone but root and this process's own user could have written it:
    /// it is run as that user.
    fn add_program(&mut self, program: Program) {
        let path = program.path().to_owned();
        match check_way(&path) {
            Ok(()) => self.programs.push(program),
            Err(error) => {
                let what = format!("it is not run: {error}");
                let error = Some(FactError { path: path.clone(), line: None, what });
                // Not even what it printed before: nobody knows whose word that was.
                self.read.insert(path.clone(), Reading { error, ..Reading::default() });
            }
        }
        self.order.push(path);
    }

    /// The programs that give facts, to be run at times.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// Takes what programs printed, and says whether facts or health changed.
    pub fn take(&mut self, printed: impl IntoIterator<Item = Printed>) -> bool {
        for (program, mut read) in printed {
            let path = program.path();
            if let (Program::Facter(..), Ok(Sifted { facts, .. })) = (&program, &mut read) {
                // The node's own volatile facts are newer.
                remove_volatile(facts);
            }
            // One that was taken out meanwhile is none.
            if self.programs.contains(&program) {
                self.read.entry(path.to_owned()).or_default().take_sifted(read.map(Some), path);
            }
        }
        self.compose()
    }

    /// Puts all facts together, and says whether they or the health changed.
    fn compose(&mut self) -> bool {
        let root = &self.sources.root;
        let mut facts = native(root, &Kernel::ask(), &interfaces(root));
        let mut given = Facts::new();
        for path in &self.order {
            let Some(good) = self.read.get(path).and_then(|reading| reading.good.clone()) else {
                continue;
            };
            let volatile = good.iter().filter(|(name, _)| is_volatile(name));
            given.extend(volatile.map(|(name, value)| (name.clone(), value.clone())));
            facts.extend(good);
        }
        self.sources.private.remove_from(&mut facts);
        self.sources.private.remove_from(&mut given);
        remove_volatile(&mut facts);
        self.given = given;
        let readings = self.order.iter().filter_map(|path| self.read.get(path)?.health());
        let health: Vec<String> = readings.chain(self.classes.health()).collect();
        let is_new = *self.facts != facts || self.health != health;
        if *self.facts != facts {
            self.facts = Arc::new(facts);
        }
        self.health = health;
        is_new
    }

    /// The facts that a registration carries: without volatile and private ones.
    #[must_use]
    pub const fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// The same with the volatile ones as they are now. Blocks on the kernel's files.
    #[must_use]
    pub fn measured(&self) -> Facts {
        let mut facts = Facts::clone(&self.facts);
        let mut fresh = measure(&self.sources.root);
        fresh.retain(|name, _| !self.given.contains_key(name));
        self.sources.private.remove_from(&mut fresh);
        merge(&mut facts, fresh);
        facts.extend(self.given.clone());
        facts
    }

    /// What is to be kept for the next start.
    pub(super) fn kept(&self) -> Kept {
        let good = |(path, reading): (&PathBuf, &Reading<Facts>)| {
            Some((path.clone(), reading.good.clone()?))
        };
        let classes = self.sources.classes.clone().zip(self.classes.good.clone());
        Kept::new(self.read.iter().filter_map(good), classes)
    }

    /// The classes, sorted.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        self.classes.good.as_deref().unwrap_or_default()
    }

    /// What is wrong with the sources, and what holds instead, in words for the node's health.
    #[must_use]
    pub fn health(&self) -> &[String] {
        &self.health
    }

    /// What was wrong with the sources when they were last read.
    pub fn errors(&self) -> impl Iterator<Item = &FactError> {
        let readings = self.order.iter().filter_map(|path| self.read.get(path)?.fault());
        readings.chain(&self.classes.error)
    }
}

/// Facts as the same bytes wherever they are the same facts: JSON without blanks, keys sorted.
#[must_use]
pub fn canonical(facts: &Facts) -> Vec<u8> {
    // Facts are a sorted map, and so are serde_json's without its feature `preserve_order`. Values
    // of JSON always have a JSON form, so that nothing is ever left out here.
    serde_json::to_vec(facts).unwrap_or_default()
}

#[cfg(test)]
mod tests;
