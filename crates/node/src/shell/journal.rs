//! The journal file: one record a line, each behind a checksum, each on the disk for good before
//! anybody is told.
//!
//! A line is the first 16 hexadecimal digits of the SHA-256 of the record, a blank, the record as
//! JSON. A last line that is not whole was never reported as written, so it is cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use marcato_core::Timestamp;
use marcato_core::limits::node::{JOURNAL_BYTES_BEFORE_REWRITE, JOURNAL_BYTES_MAX};
use marcato_protocol::digest::Digest;

use super::files::{FileError, at, sync_parent};
use crate::core::{JournalRecord, retain};

/// The journal, ready for more records. It is opened for each: a process may hold thousands of
/// nodes, and changes are rare.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    length: u64,
    /// Its length when it was last rewritten.
    rewritten: u64,
    /// Half a record may stand at its end, and could not be taken back.
    broken: bool,
}

/// What was found in a journal.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The records that are whole, oldest first.
    pub(super) records: Vec<JournalRecord>,
    /// How many bytes of a record that was never finished were cut off.
    pub(super) torn: u64,
    /// The lines that are damaged, the first being 1.
    pub(super) damaged: Vec<usize>,
}

impl Journal {
    /// Opens or makes the journal and leaves out what is not needed any more. Damage is kept in
    /// mind in the journal itself, and the damaged file is kept beside it.
    pub(super) fn open(path: &Path, now: Timestamp) -> Result<(Self, Found), FileError> {
        let mut found = match File::open(path) {
            Ok(file) => read(file).map_err(at(path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::default(),
            Err(error) => return Err(at(path)(error)),
        };
        if !found.damaged.is_empty() {
            std::fs::copy(path, path.with_extension("damaged")).map_err(at(path))?;
            found.records.push(JournalRecord::Damaged { at: now });
        }
        found.records = retain(std::mem::take(&mut found.records), now);
        let journal = Self::write_anew(path, &found.records).map_err(at(path))?;
        Ok((journal, found))
    }

    fn write_anew(path: &Path, records: &[JournalRecord]) -> io::Result<Self> {
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        let mut writer = io::BufWriter::new(&mut file);
        for record in records {
            writer.write_all(line(record).as_bytes())?;
        }
        writer.flush()?;
        drop(writer);
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        sync_parent(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), length, rewritten: length, broken: false })
    }

    /// Appends a record; when this returns it survives a loss of power.
    ///
    /// # Errors
    /// It was not written: what was begun is taken back.
    pub(super) fn append(&mut self, record: &JournalRecord, now: Timestamp) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other(
                "an earlier record could not be taken back; restart mcod",
            ));
        }
        let limit = JOURNAL_BYTES_BEFORE_REWRITE.max(self.rewritten.saturating_mul(2));
        if self.length > limit {
            let found = read(File::open(&self.path)?)?;
            if found.damaged.is_empty() {
                *self = Self::write_anew(&self.path, &retain(found.records, now))?;
            }
        }
        let line = line(record);
        if self.length + line.len() as u64 > JOURNAL_BYTES_MAX {
            return Err(io::Error::other(format!("it has reached {JOURNAL_BYTES_MAX} bytes")));
        }
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        match file.write_all(line.as_bytes()).and_then(|()| file.sync_data()) {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a record between whole ones would be damage.
                let taken_back = file.set_len(self.length).and_then(|()| file.sync_all());
                self.broken = taken_back.is_err();
                Err(error)
            }
        }
    }
}

fn line(record: &JournalRecord) -> String {
    // Records are texts and numbers, which always have a JSON form.
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("{} {json}\n", checksum(&json))
}

fn checksum(json: &str) -> String {
    let mut digits = Digest::of(json.as_bytes()).to_string();
    digits.truncate(16);
    digits
}

fn read(file: File) -> io::Result<Found> {
    let mut found = Found::default();
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
        match parse(whole) {
            Some(record) => found.records.push(record),
            None => found.damaged.push(number),
        }
    }
    Ok(found)
}

fn parse(line: &[u8]) -> Option<JournalRecord> {
    let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    if checksum(json) != sum {
        return None;
    }
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{About, KeptMessage, RunKey};
    use marcato_core::OrderId;
    use marcato_protocol::message::{Headers, Message};

    const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    fn record(number: u8) -> JournalRecord {
        let about = About {
            key: RunKey { order: OrderId::from_bytes([number; 16]), step: 0 },
            order_digest: Digest::of(&[number]),
            step_digest: Digest::of(&[number]),
            caller: "ops".parse().unwrap(),
            agent: "service".parse().unwrap(),
            item: None,
            issued: NOW,
            start_by: NOW,
            received: NOW,
        };
        let message = Message {
            subject: "s".into(),
            reply: None,
            headers: Headers::default(),
            body: vec![number; 40],
        };
        JournalRecord::Accepted { about, message: KeptMessage::from(&message) }
    }

    /// A journal of three records, spoilt; what is found then, and after one more start.
    fn check(spoil: impl Fn(&mut Vec<u8>), want: (&[u8], u64, &[usize])) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = Journal::open(&path, NOW).unwrap();
        for number in 1..=3 {
            journal.append(&record(number), NOW).unwrap();
        }
        let mut bytes = std::fs::read(&path).unwrap();
        spoil(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();

        let (mut journal, found) = Journal::open(&path, NOW).unwrap();
        let mut records: Vec<_> = want.0.iter().map(|number| record(*number)).collect();
        if !want.2.is_empty() {
            records.push(JournalRecord::Damaged { at: NOW });
            assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), bytes);
        }
        assert_eq!(found.records, records);
        assert_eq!((found.torn, &found.damaged[..]), (want.1, want.2));
        journal.append(&record(9), NOW).unwrap();
        records.push(record(9));
        let (_, again) = Journal::open(&path, NOW).unwrap();
        assert_eq!(again.records, records);
        assert_eq!((again.torn, again.damaged.len()), (0, 0));
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_damage_is_kept_in_mind() {
        let length = line(&record(1)).len();
        check(|_| {}, (&[1, 2, 3], 0, &[]));
        check(|bytes| bytes.truncate(2 * length + 20), (&[1, 2], 20, &[]));
        check(|bytes| bytes.truncate(3 * length - 1), (&[1, 2], length as u64 - 1, &[]));
        check(|bytes| bytes[length + 30] ^= 1, (&[1, 3], 0, &[2]));
        check(|bytes| bytes[5] = b'\n', (&[2, 3], 0, &[1, 2]));
        check(|bytes| bytes[2 * length + 30] = 0xff, (&[1, 2], 0, &[3]));
        check(Vec::clear, (&[], 0, &[]));
    }

    #[test]
    fn a_record_that_cannot_be_written_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = Journal::open(&path, NOW).unwrap();
        journal.append(&record(1), NOW).unwrap();
        let right = std::mem::replace(&mut journal.path, "/dev/full".into());
        assert!(journal.append(&record(2), NOW).is_err());
        journal.path = right;
        // What is no file cannot be cut, so that this one could not be taken back.
        let error = journal.append(&record(3), NOW).unwrap_err();
        assert!(error.to_string().contains("restart mcod"), "{error}");
        let (_, found) = Journal::open(&path, NOW).unwrap();
        assert_eq!(found.records, [record(1)]);
    }
}
