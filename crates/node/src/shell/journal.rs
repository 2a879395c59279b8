//! The journal file: one record a line, each behind a checksum, each on the disk for good before
//! anybody is told.
//!
//! A line is the first 16 hexadecimal digits of the SHA-256 of the record, a blank, the record as
//! JSON. The first line is the same in all: it is made with the node's keys, so a journal that is
//! missing or empty later has lost what it held. A last line that is not whole was never reported
//! as written, so it is cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use marcato_core::Timestamp;
use marcato_core::limits::node::{
    JOURNAL_BYTES_BEFORE_REWRITE, JOURNAL_BYTES_MAX, JOURNAL_REWRITTEN_AT_MOST_EVERY,
};
use marcato_protocol::digest::Digest;

use super::files::{FileError, at, sync_parent};
use crate::core::{JournalRecord, retain};

/// What stands in the first line.
const HEADER: &str = r#"{"journal":1}"#;

/// The journal, ready for more records. It is opened for each: a process may hold thousands of
/// nodes, and changes are rare.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// How long its whole lines are.
    length: u64,
    /// Its length when it was last rewritten.
    rewritten: u64,
    /// When that was last tried.
    tried: Timestamp,
    /// Whether a fault left something to be put right before more is appended: half a record at
    /// the end, or a name that may not last.
    unsettled: bool,
    sizes: Sizes,
}

/// How long a journal may be.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    before_rewrite: u64,
    max: u64,
}

const SIZES: Sizes = Sizes { before_rewrite: JOURNAL_BYTES_BEFORE_REWRITE, max: JOURNAL_BYTES_MAX };

/// What was found in a journal.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The records that are whole, oldest first.
    pub(super) records: Vec<JournalRecord>,
    /// How many bytes of a record that was never finished were cut off.
    pub(super) torn: u64,
    /// The lines that are damaged, the first being 1.
    pub(super) damaged: Vec<usize>,
    /// Whether the file or its first line was missing.
    pub(super) lost: bool,
    /// Why it could not be rewritten; it holds more than is needed then, and takes records.
    pub(super) kept: Option<io::Error>,
    /// How long the whole lines are.
    length: u64,
}

/// A record that was not written.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct NotAppended {
    error: io::Error,
    /// Whether it may stand there all the same: what was begun could not be taken back.
    pub(super) may_stand: bool,
}

impl From<io::Error> for NotAppended {
    fn from(error: io::Error) -> Self {
        Self { error, may_stand: false }
    }
}

impl Journal {
    /// Makes the journal of a node that has none yet.
    pub(super) fn create(path: &Path) -> Result<(), FileError> {
        if path.exists() {
            return Ok(());
        }
        write_anew(path, &[]).map(drop).map_err(at(path))
    }

    /// Opens the journal and leaves out what is not needed any more. Damage is kept in mind in the
    /// journal itself, and the damaged file is kept beside it.
    ///
    /// A full disk must not keep the node from its start: a journal that cannot be rewritten is
    /// taken as it is, and what is wrong with it will be found again.
    pub(super) fn open(path: &Path, now: Timestamp) -> Result<(Self, Found), FileError> {
        let file = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(path)(error)),
        };
        let exists = file.is_some();
        let missing = Found { lost: true, ..Found::default() };
        let mut found = file.map_or(Ok(missing), read).map_err(at(path))?;
        let is_whole = found.is_trusted() && found.torn == 0;
        if !found.is_trusted() {
            found.records.push(JournalRecord::Damaged { at: now });
        }
        let count = found.records.len();
        found.records = retain(std::mem::take(&mut found.records), now);
        let mut journal = Self {
            path: path.to_owned(),
            length: found.length,
            rewritten: found.length,
            tried: now,
            unsettled: found.torn > 0,
            sizes: SIZES,
        };
        if is_whole && found.records.len() == count {
            return Ok((journal, found));
        }
        let set_aside = if exists && !found.is_trusted() {
            std::fs::copy(path, path.with_extension("damaged")).map(drop)
        } else {
            Ok(())
        };
        match set_aside.and_then(|()| journal.write_anew(&found.records)) {
            Ok(()) => {}
            Err(error) if exists => found.kept = Some(error),
            Err(error) => return Err(at(path)(error)),
        }
        Ok((journal, found))
    }

    fn write_anew(&mut self, records: &[JournalRecord]) -> io::Result<()> {
        self.length = write_anew(&self.path, records)?;
        self.rewritten = self.length;
        // Until the folder is synced a loss of power may bring the old file back.
        self.unsettled = true;
        self.settle()
    }

    /// Puts right what a fault left behind.
    fn settle(&mut self) -> io::Result<()> {
        if self.unsettled {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.set_len(self.length)?;
            file.sync_all()?;
            sync_parent(&self.path)?;
            self.unsettled = false;
        }
        Ok(())
    }

    /// Appends a record; when this returns it survives a loss of power.
    ///
    /// # Errors
    /// It was not written: what was begun is taken back, unless the error says otherwise.
    pub(super) fn append(
        &mut self,
        record: &JournalRecord,
        now: Timestamp,
    ) -> Result<(), NotAppended> {
        self.settle()?;
        let line = line(record);
        let added = line.len() as u64;
        if let Err(error) = self.make_room(added, now) {
            tracing::warn!(path = %self.path.display(), %error, "it could not be rewritten");
            self.settle()?;
        }
        let max = self.sizes.max;
        if self.length + added > max {
            return Err(io::Error::other(format!("it has reached {max} bytes")).into());
        }
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        if let Err(error) = file.write_all(line.as_bytes()).and_then(|()| file.sync_data()) {
            // Half a record between whole ones would be damage.
            self.unsettled = true;
            let may_stand = self.settle().is_err();
            return Err(NotAppended { error, may_stand });
        }
        self.length += added;
        Ok(())
    }

    /// Leaves out what is not needed any more, if there is enough of it to be worth the while, or
    /// no room otherwise.
    fn make_room(&mut self, added: u64, now: Timestamp) -> io::Result<()> {
        let limit = self.sizes.before_rewrite.max(self.rewritten.saturating_mul(2));
        let is_long = self.length > limit || self.length + added > self.sizes.max;
        let was_tried =
            self.tried <= now && now.since(self.tried) < JOURNAL_REWRITTEN_AT_MOST_EVERY;
        if !is_long || was_tried {
            return Ok(());
        }
        self.tried = now;
        let found = read(File::open(&self.path)?)?;
        // Damage is the next start's to find.
        if found.is_trusted() { self.write_anew(&retain(found.records, now)) } else { Ok(()) }
    }
}

/// Writes a whole journal to its place; how long it is. Its folder is not synced.
fn write_anew(path: &Path, records: &[JournalRecord]) -> io::Result<u64> {
    let new = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut writer = io::BufWriter::new(options.open(&new)?);
        writer.write_all(summed(HEADER).as_bytes())?;
        for record in records {
            writer.write_all(line(record).as_bytes())?;
        }
        let file = writer.into_inner()?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        Ok(file.metadata()?.len())
    };
    write().inspect_err(|_: &io::Error| {
        // What is half done would take the last of a full disk.
        let _ = std::fs::remove_file(&new);
    })
}

impl Found {
    /// Whether nothing that was written can be missing.
    pub(super) const fn is_trusted(&self) -> bool {
        self.damaged.is_empty() && !self.lost
    }
}

fn line(record: &JournalRecord) -> String {
    // Records are texts and numbers, which always have a JSON form.
    summed(&serde_json::to_string(record).unwrap_or_default())
}

fn summed(json: &str) -> String {
    format!("{} {json}\n", checksum(json))
}

fn checksum(json: &str) -> String {
    let mut digits = Digest::of(json.as_bytes()).to_string();
    digits.truncate(16);
    digits
}

/// The whole records of a journal that a daemon may be writing.
pub(super) fn look(path: &Path) -> io::Result<Vec<JournalRecord>> {
    Ok(read(File::open(path)?)?.records)
}

fn read(file: File) -> io::Result<Found> {
    let mut found = Found { lost: true, ..Found::default() };
    let mut lines = BufReader::new(file);
    for number in 1.. {
        let mut bytes = Vec::new();
        lines.read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            break;
        }
        let Some(whole) = bytes.strip_suffix(b"\n") else {
            found.torn = bytes.len() as u64;
            break;
        };
        found.length += bytes.len() as u64;
        match parse(whole) {
            Some(Line::Header) if number == 1 => found.lost = false,
            Some(Line::Record(record)) => found.records.push(*record),
            _ => found.damaged.push(number),
        }
    }
    Ok(found)
}

enum Line {
    Header,
    Record(Box<JournalRecord>),
}

fn parse(line: &[u8]) -> Option<Line> {
    let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    if checksum(json) != sum {
        return None;
    }
    if json == HEADER {
        return Some(Line::Header);
    }
    serde_json::from_str(json).ok().map(Line::Record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{About, KeptMessage, RunKey};
    use marcato_core::limits::timing::START_WINDOW_MAX;
    use marcato_core::{OrderId, Span};
    use marcato_protocol::message::{Headers, Message};

    const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    fn about(number: u8, issued: Timestamp) -> About {
        About {
            key: RunKey { order: OrderId::from_bytes([number; 16]), step: 0 },
            order_digest: Digest::of(&[number]),
            step_digest: Digest::of(&[number]),
            caller: "ops".parse().unwrap(),
            agent: "service".parse().unwrap(),
            item: None,
            issued,
            start_by: issued,
            received: issued,
        }
    }

    fn ended(number: u8, at: Timestamp) -> JournalRecord {
        let receipt = r#"{"outer": "{}", "signature": ""}"#;
        let receipt = serde_json::from_str(receipt).unwrap();
        JournalRecord::Ended { about: about(number, at), began: true, at, receipt }
    }

    fn record(number: u8) -> JournalRecord {
        let message = Message {
            subject: "s".into(),
            reply: None,
            headers: Headers::default(),
            body: vec![number; 40],
        };
        JournalRecord::Accepted { about: about(number, NOW), message: KeptMessage::from(&message) }
    }

    fn created(dir: &Path) -> PathBuf {
        let path = dir.join("journal");
        Journal::create(&path).unwrap();
        path
    }

    /// A journal of three records, spoilt; what is found then, and after one more start.
    fn check(spoil: impl Fn(&mut Vec<u8>), want: (&[u8], u64, &[usize], bool)) {
        let dir = tempfile::tempdir().unwrap();
        let path = created(dir.path());
        let (mut journal, found) = Journal::open(&path, NOW).unwrap();
        assert!(found.is_trusted() && found.records.is_empty(), "it is new");
        for number in 1..=3 {
            journal.append(&record(number), NOW).unwrap();
        }
        let mut bytes = std::fs::read(&path).unwrap();
        spoil(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();

        let (mut journal, found) = Journal::open(&path, NOW).unwrap();
        let mut records: Vec<_> = want.0.iter().map(|number| record(*number)).collect();
        if !want.2.is_empty() || want.3 {
            records.push(JournalRecord::Damaged { at: NOW });
            assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), bytes);
        }
        assert_eq!(found.records, records);
        assert_eq!((found.torn, &found.damaged[..], found.lost), (want.1, want.2, want.3));
        journal.append(&record(9), NOW).unwrap();
        records.push(record(9));
        let (_, again) = Journal::open(&path, NOW).unwrap();
        assert_eq!(again.records, records);
        assert!(again.is_trusted() && again.torn == 0);
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_damage_is_kept_in_mind() {
        let (first, length) = (summed(HEADER).len(), line(&record(1)).len());
        check(|_| {}, (&[1, 2, 3], 0, &[], false));
        check(|bytes| bytes.truncate(first + 2 * length + 20), (&[1, 2], 20, &[], false));
        let torn = length as u64 - 1;
        check(|bytes| bytes.truncate(first + 3 * length - 1), (&[1, 2], torn, &[], false));
        check(|bytes| bytes[first + length + 30] ^= 1, (&[1, 3], 0, &[3], false));
        check(|bytes| bytes[first + 5] = b'\n', (&[2, 3], 0, &[2, 3], false));
        check(|bytes| bytes[first + 2 * length + 30] = 0xff, (&[1, 2], 0, &[4], false));
        check(|bytes| bytes[3] ^= 1, (&[1, 2, 3], 0, &[1], true));
        check(|bytes| drop(bytes.drain(..first)), (&[1, 2, 3], 0, &[], true));
        check(Vec::clear, (&[], 0, &[], true));
        check(|bytes| bytes.truncate(5), (&[], 5, &[], true));
    }

    #[test]
    fn one_that_is_gone_is_not_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = created(dir.path());
        std::fs::remove_file(&path).unwrap();
        let (_, found) = Journal::open(&path, NOW).unwrap();
        assert!(found.lost);
        assert_eq!(found.records, [JournalRecord::Damaged { at: NOW }]);
        let (_, again) = Journal::open(&path, NOW).unwrap();
        assert!(again.is_trusted());
        assert_eq!(again.records, found.records);
    }

    #[test]
    fn one_that_cannot_be_rewritten_is_taken_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = created(dir.path());
        let (mut journal, _) = Journal::open(&path, NOW).unwrap();
        journal.append(&ended(1, NOW), NOW).unwrap();
        journal.append(&record(2), NOW).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"half a rec");
        std::fs::write(&path, &bytes).unwrap();
        // No file can be made there.
        std::fs::create_dir(path.with_extension("new")).unwrap();
        let (mut journal, found) =
            Journal::open(&path, NOW + START_WINDOW_MAX + START_WINDOW_MAX).unwrap();
        assert!(found.kept.is_some());
        assert_eq!(found.records, [record(2)]);
        journal.append(&record(3), NOW).unwrap();
        let (_, found) = Journal::open(&path, NOW).unwrap();
        assert!(found.kept.is_none() && found.is_trusted());
        assert_eq!(found.records, [ended(1, NOW), record(2), record(3)]);
    }

    #[test]
    fn a_full_one_takes_records_again_once_some_are_not_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = created(dir.path());
        let (mut journal, _) = Journal::open(&path, NOW).unwrap();
        let length = line(&ended(1, NOW)).len() as u64;
        // Rewriting at twice what is needed would be beyond what it may hold.
        journal.sizes = Sizes { before_rewrite: 2 * length, max: 10 * length };
        let mut taken = 0;
        let minute = |minutes: u64| NOW + Span::from_secs(60 * minutes);
        while journal.append(&ended(taken, NOW), minute(taken.into())).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 9, "all of them are needed still");
        let before = std::fs::read(&path).unwrap();
        assert!(journal.append(&ended(taken, NOW), minute(9)).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let later = NOW + START_WINDOW_MAX + START_WINDOW_MAX;
        journal.append(&ended(taken, later), later).unwrap();
        let (_, found) = Journal::open(&path, later).unwrap();
        assert_eq!(found.records, [ended(taken, later)]);
    }

    #[test]
    fn a_record_that_cannot_be_written_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = created(dir.path());
        let (mut journal, _) = Journal::open(&path, NOW).unwrap();
        journal.append(&record(1), NOW).unwrap();
        let right = std::mem::replace(&mut journal.path, "/dev/full".into());
        // What is no file cannot be cut, so that this one could not be taken back.
        assert!(journal.append(&record(2), NOW).unwrap_err().may_stand);
        assert!(!journal.append(&record(2), NOW).unwrap_err().may_stand, "it is not begun even");
        journal.path = right;
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"half").unwrap();
        journal.append(&record(3), NOW).unwrap();
        let (_, found) = Journal::open(&path, NOW).unwrap();
        assert_eq!(found.records, [record(1), record(3)]);
        assert!(found.is_trusted());
    }
}
