//! The results of an operator's last commands, in his state folder: one file for each job.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use marcato_client::core::Report;
use marcato_core::limits::client::JOBS_KEPT_MAX;
use marcato_core::{
    ActionName, AgentName, CallerId, Collective, EndState, Exit, Identity, JobId, OrderId, Span,
    Timestamp,
};
use serde::{Deserialize, Serialize};

/// The letters of an id: none that a person takes for another when it is read out.
const LETTERS: &[u8; 34] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ23456789";
/// So many letters an id has: 1.3 million ids for a few hundred files.
const ID_LETTERS: usize = 4;
/// So often a new id is tried.
const TRIES_MAX: usize = 100;

/// What is kept of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The version of the form: [`Kept::SCHEMA`].
    pub schema: String,
    /// The job's id.
    pub id: JobId,
    /// What was begun.
    #[serde(flatten)]
    pub what: What,
    /// How far it came.
    #[serde(flatten)]
    pub stage: Stage,
}

/// What was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct What {
    /// The command as it was typed, a word each; where it repeats another job, what was typed then.
    pub command: Vec<String>,
    /// The job of which it repeats a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<JobId>,
    /// The fleet.
    pub fleet: Collective,
    /// Who signs.
    pub caller: CallerId,
    /// The agent.
    pub agent: AgentName,
    /// The action.
    pub action: ActionName,
    /// Whether it may change hosts.
    pub changes: bool,
    /// When it was begun.
    pub begun: Timestamp,
    /// The key to which what nodes say is sealed. What it opens stands here too, once it has come; with
    /// it, what comes later can be read.
    pub reader: String,
}

/// How far a job came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// It was about to be sent. Where this stays, the command ended before its accounts did: nodes
    /// may have begun.
    Begun {
        /// The order's id.
        order: OrderId,
        /// The nodes that it is for; none are named where no hub said which there are.
        nodes: Vec<Identity>,
    },
    /// It has a result.
    Ended {
        /// The exit code.
        exit: u8,
        /// How long it took.
        took_ms: Span,
        /// What became of it, node by node.
        report: Box<Report>,
        /// Which of the client's own words were replaced since.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        late: Vec<Late>,
    },
}

/// That a node's receipt came after the command had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// The node.
    pub node: Identity,
    /// What stood there before.
    pub was: EndState,
    /// When it was replaced.
    pub at: Timestamp,
}

impl Kept {
    /// The version of the form.
    pub const SCHEMA: &str = "marcato.job.v1";
}

/// A job that was begun: its id, and where its result goes.
#[derive(Debug)]
pub struct Begun {
    jobs: Jobs,
    kept: Kept,
    /// What was written down, locked for as long as this command lives: nobody removes it before.
    _written: File,
}

impl Begun {
    /// The job's id.
    #[must_use]
    pub const fn id(&self) -> &JobId {
        &self.kept.id
    }

    /// Writes the result down, whole or not at all, and removes the oldest beyond the limit.
    ///
    /// # Errors
    /// What the system says; what the job was about to do stays written down.
    pub fn finish(mut self, exit: Exit, took_ms: Span, report: Report) -> io::Result<()> {
        let (exit, report, late) = (exit.code(), Box::new(report), Vec::new());
        self.kept.stage = Stage::Ended { exit, took_ms, report, late };
        self.jobs.write(&self.kept, |_| ())?;
        self.jobs.prune()
    }

    /// Gives the id back: nothing was sent.
    pub fn forget(self) {
        // A file that stays costs one of the places, and nothing else.
        let _ = fs::remove_file(self.jobs.file(&self.kept.id));
    }
}

/// The folder of the results, readable by its owner alone: outputs of nodes may be confidential.
#[derive(Debug, Clone)]
pub struct Jobs {
    folder: PathBuf,
}

impl Jobs {
    /// Opens the folder below the state folder, and makes it where it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(state: &Path) -> io::Result<Self> {
        let folder = state.join("jobs");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    /// Writes down what is about to be sent, under an id that no kept job has, also where several
    /// commands begin at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(&self, what: What, order: OrderId, nodes: Vec<Identity>) -> io::Result<Begun> {
        let (schema, stage) = (Kept::SCHEMA.to_owned(), Stage::Begun { order, nodes });
        let kept = Kept { schema, id: self.reserve()?, what, stage };
        let lock = |file: &File| {
            // Where a file system knows no locks the command only seems not to run.
            let _ = file.lock();
        };
        // Here too: commands that are killed never finish, and would fill the folder.
        let written = self.write(&kept, lock).and_then(|written| self.prune().map(|()| written));
        match written {
            Ok(written) => Ok(Begun { jobs: self.clone(), kept, _written: written }),
            Err(error) => {
                // A file that stays costs one of the places, and nothing else.
                let _ = fs::remove_file(self.file(&kept.id));
                Err(error)
            }
        }
    }

    fn reserve(&self) -> io::Result<JobId> {
        for _ in 0..TRIES_MAX {
            let id = random_id()?;
            match create(&self.file(&id)) {
                Ok(_) => return Ok(id),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no id is free"))
    }

    /// Writes a file whole, with what is to be done to it before others see it.
    fn write(&self, kept: &Kept, first: impl FnOnce(&File)) -> io::Result<File> {
        let file = self.file(&kept.id);
        let draft = file.with_extension("new");
        let written = create(&draft).and_then(|mut new| {
            first(&new);
            new.write_all(&serde_json::to_vec(kept)?)?;
            fs::rename(&draft, &file).map(|()| new)
        });
        if written.is_err() {
            // What is half written helps nobody; the first error is the one to tell.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Whether the command of a job still runs. Who asks before he reads reads what is final where it
    /// does not.
    #[must_use]
    pub fn is_running(&self, id: &JobId) -> bool {
        File::open(self.file(id)).is_ok_and(|file| is_held(&file))
    }

    /// Reads a result.
    ///
    /// # Errors
    /// What the system says, or that the file is damaged.
    pub fn read(&self, id: &JobId) -> io::Result<Kept> {
        Ok(serde_json::from_slice(&fs::read(self.file(id))?)?)
    }

    /// Writes down what has become of a job since.
    ///
    /// # Errors
    /// What the system says; what stood there before stays.
    pub fn update(&self, kept: &Kept) -> io::Result<()> {
        // Its age is that of the command: what is looked after does not become the last one.
        let modified = fs::metadata(self.file(&kept.id))?.modified()?;
        self.write(kept, |_| ())?;
        File::options().write(true).open(self.file(&kept.id))?.set_modified(modified)
    }

    /// The ids of all kept jobs, the newest last.
    ///
    /// # Errors
    /// What the system says.
    pub fn ids(&self) -> io::Result<Vec<JobId>> {
        let files = fs::read_dir(&self.folder)?;
        let dated = files.filter_map(|file| {
            let file = file.ok()?;
            let id: JobId = file.file_name().to_str()?.strip_suffix(".json")?.parse().ok()?;
            Some((file.metadata().ok()?.modified().ok()?, id))
        });
        let mut dated: Vec<_> = dated.collect();
        dated.sort_unstable();
        Ok(dated.into_iter().map(|(_, id)| id).collect())
    }

    fn file(&self, id: &JobId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn prune(&self) -> io::Result<()> {
        let files: Vec<_> = fs::read_dir(&self.folder)?.collect::<io::Result<_>>()?;
        if files.len() <= JOBS_KEPT_MAX {
            return Ok(());
        }
        // A file that another command has just removed has no time any more, and needs none.
        let dated = files
            .iter()
            .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())));
        let mut dated: Vec<_> = dated.collect();
        dated.sort_unstable();
        let surplus = dated.len().saturating_sub(JOBS_KEPT_MAX);
        for (_, file) in dated.drain(..surplus) {
            if File::open(&file).is_ok_and(|file| is_held(&file)) {
                continue;
            }
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a job's file belongs to a command that still runs. Where a file system knows no locks none
/// seems to.
fn is_held(file: &File) -> bool {
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn create(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

/// Every id is equally likely: bytes that would favour some letters are thrown away.
fn random_id() -> io::Result<JobId> {
    let fair = 256 - 256 % LETTERS.len();
    loop {
        let mut bytes = [0u8; 8];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let fair = bytes.into_iter().map(usize::from).filter(|byte| *byte < fair);
        let letters = fair.map(|byte| char::from(LETTERS[byte % LETTERS.len()]));
        let text: String = letters.take(ID_LETTERS).collect();
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn report() -> Report {
        serde_json::from_value(serde_json::json!({
            "collective": "lab", "caller": "ops", "agent": "rpcutil", "action": "ping",
            "orders": [], "issued": "2026-11-23T04:00:00.000Z", "ended": null, "expected": 0,
            "nodes": [], "unexpected": [], "not_capable": [], "read_only": [], "gone": [],
            "vanished": [], "refused": [], "interrupted": false
        }))
        .unwrap()
    }

    fn begin(jobs: &Jobs) -> Begun {
        let what = What {
            command: vec!["ping".into()],
            again: None,
            fleet: "lab".parse().unwrap(),
            caller: "ops".parse().unwrap(),
            agent: "rpcutil".parse().unwrap(),
            action: "ping".parse().unwrap(),
            changes: false,
            begun: Timestamp::from_ms(7),
            reader: "key".into(),
        };
        let order = OrderId::from_bytes([7; 16]);
        jobs.begin(what, order, vec!["web1".parse().unwrap()]).unwrap()
    }

    #[test]
    fn results_are_kept_for_their_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let jobs = Jobs::open(&state.path().join("deep/state")).unwrap();
        let begun = begin(&jobs);
        let id = begun.id().clone();
        let order = OrderId::from_bytes([7; 16]);
        let nodes: Vec<Identity> = vec!["web1".parse().unwrap()];
        assert_eq!(jobs.read(&id).unwrap().stage, Stage::Begun { order, nodes });
        let took_ms = Span::from_ms(38);
        begun.finish(Exit::Nothing, took_ms, report()).unwrap();
        let kept = jobs.read(&id).unwrap();
        let (report, late) = (Box::new(report()), Vec::new());
        assert_eq!(kept.stage, Stage::Ended { exit: 1, took_ms, report, late });
        assert_eq!((kept.id, kept.what.command), (id.clone(), vec!["ping".to_owned()]));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&jobs.folder), mode(&jobs.file(&id))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&jobs.folder).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn the_oldest_results_go() {
        let state = tempfile::tempdir().unwrap();
        let jobs = Jobs::open(state.path()).unwrap();
        let ids: Vec<JobId> = (0..JOBS_KEPT_MAX + 3)
            .map(|number| {
                let id = begin(&jobs).id().clone();
                let file = File::options().write(true).open(jobs.file(&id)).unwrap();
                let age = std::time::Duration::from_secs(10_000 - number as u64);
                file.set_modified(std::time::SystemTime::now() - age).unwrap();
                id
            })
            .collect();
        let newest = begin(&jobs);
        let id = newest.id().clone();
        newest.finish(Exit::Ok, Span::default(), report()).unwrap();
        assert_eq!(fs::read_dir(&jobs.folder).unwrap().count(), JOBS_KEPT_MAX);
        let is_there = |id: &JobId| jobs.file(id).exists();
        assert!(!ids[..4].iter().any(is_there) && ids[4..].iter().all(is_there));
        assert!(is_there(&id));
        // That of a command that still runs stays, however many end meanwhile.
        let runs = begin(&jobs);
        let mut ended = id;
        for _ in 0..=JOBS_KEPT_MAX {
            let begun = begin(&jobs);
            ended = begun.id().clone();
            begun.finish(Exit::Ok, Span::default(), report()).unwrap();
        }
        let id = runs.id().clone();
        assert!(is_there(&id) && jobs.is_running(&id));
        let looks = File::open(jobs.file(&ended)).unwrap();
        looks.lock_shared().unwrap();
        assert!(!jobs.is_running(&ended), "who looks is no command that runs");
        drop(runs);
        assert!(!jobs.is_running(&id));
        // Of commands that are killed no more stay either.
        (0..3).for_each(|_| drop(begin(&jobs)));
        assert_eq!(fs::read_dir(&jobs.folder).unwrap().count(), JOBS_KEPT_MAX);
    }

    #[test]
    fn what_is_looked_after_keeps_its_place() {
        let state = tempfile::tempdir().unwrap();
        let jobs = Jobs::open(state.path()).unwrap();
        let ids: Vec<JobId> = (0..3)
            .map(|number| {
                let id = begin(&jobs).id().clone();
                let file = File::options().write(true).open(jobs.file(&id)).unwrap();
                let age = std::time::Duration::from_secs(100 - number);
                file.set_modified(std::time::SystemTime::now() - age).unwrap();
                id
            })
            .collect();
        assert_eq!(jobs.ids().unwrap(), ids);
        let mut kept = jobs.read(&ids[1]).unwrap();
        kept.what.changes = true;
        jobs.update(&kept).unwrap();
        assert_eq!(jobs.ids().unwrap(), ids);
        assert_eq!(jobs.read(&ids[1]).unwrap(), kept);
    }

    #[test]
    fn an_id_is_given_back() {
        let state = tempfile::tempdir().unwrap();
        let jobs = Jobs::open(state.path()).unwrap();
        begin(&jobs).forget();
        assert_eq!(fs::read_dir(&jobs.folder).unwrap().count(), 0);
    }
}
