//! dpkg's own database, read as dpkg reads it: `status`, then what a transaction that is under way
//! has written to `updates/` (deb(5), dpkg's `lib/dpkg/dbmodify.c`).
//!
//! A node asks it often and must stay small, so what is kept is an index of 16 bytes a package and
//! one text, read anew when a file's inode, size or time has changed. dpkg replaces the files whole,
//! by renaming, so what is read is never half written. It puts a new `status` in place before it
//! takes the `updates/` away that went into it, so an old `status` may be read with updates missing:
//! only while `status` stays the same is what was read of one moment.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use marcato_core::limits::agent::{DPKG_PACKAGES_MAX, DPKG_READS_MAX, DPKG_STATUS_BYTES_MAX};

use super::{Found, State, Verb};

/// Where dpkg keeps its database.
const ADMIN: &str = "/var/lib/dpkg";

/// The longest part of a line that is looked at, in bytes: a name or a version is far shorter.
const LINE_BYTES_MAX: usize = 1024;

/// dpkg's database of this host.
pub struct Dpkg {
    admin: PathBuf,
    cached: Mutex<Option<(Look, Arc<Index>)>>,
}

impl Dpkg {
    /// The database of this host, if it has one.
    #[must_use]
    pub fn available() -> Option<Self> {
        Self::at(Path::new(ADMIN))
    }

    /// The database in another folder, if there is one.
    #[must_use]
    pub fn at(admin: &Path) -> Option<Self> {
        let there = admin.join("status").is_file();
        there.then(|| Self { admin: admin.to_owned(), cached: Mutex::new(None) })
    }

    /// The index, read anew if anything has changed.
    ///
    /// # Errors
    /// The database cannot be read; says why.
    pub fn index(&self) -> Result<Arc<Index>, String> {
        let wrong = |error: io::Error| format!("{}: {error}", self.admin.display());
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = self.look().map_err(wrong)?;
        if let Some((seen, index)) = &*cached
            && *seen == now
        {
            return Ok(index.clone());
        }
        for _ in 0..DPKG_READS_MAX {
            let index = Arc::new(self.read().map_err(wrong)?);
            let then = self.look().map_err(wrong)?;
            if then.status == now.status {
                // What was looked at before it was read: an update that came since is read by the
                // next question.
                *cached = Some((now, index.clone()));
                return Ok(index);
            }
            now = then;
        }
        Err(format!("{}: replaced while it was read, each time anew", self.admin.display()))
    }

    fn look(&self) -> io::Result<Look> {
        let status = Seen::of(&self.admin.join("status"))?;
        // A dpkg without a transaction may lack the folder.
        Ok(Look { status, updates: Seen::of(&self.admin.join("updates")).ok() })
    }

    fn read(&self) -> io::Result<Index> {
        let mut builder = Builder::default();
        builder.read_file(&self.admin.join("status"), DPKG_STATUS_BYTES_MAX)?;
        for path in self.updates() {
            match builder.read_file(&path, DPKG_STATUS_BYTES_MAX) {
                Ok(()) => {}
                // Merged into `status` meanwhile, which is seen after this.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(builder.build())
    }

    /// What a transaction has written that is under way, or was broken off, in order.
    pub(super) fn updates(&self) -> Vec<PathBuf> {
        let mut updates: Vec<PathBuf> = match fs::read_dir(self.admin.join("updates")) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(_) => Vec::new(),
        };
        // Only numbers: what is still being written has another name.
        updates.retain(|path| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            !name.is_empty() && name.iter().all(u8::is_ascii_digit)
        });
        updates.sort();
        updates
    }

    /// The folder of the database.
    pub(super) fn admin(&self) -> &Path {
        &self.admin
    }
}

/// The database when it was looked at.
#[derive(PartialEq, Eq)]
struct Look {
    status: Seen,
    updates: Option<Seen>,
}

/// What a file or folder was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Seen {
    fn of(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(Self {
            inode: data.ino(),
            size: data.size(),
            seconds: data.mtime(),
            nanoseconds: data.mtime_nsec(),
        })
    }
}

/// All packages of a database, by name.
#[derive(Debug, Default)]
pub struct Index {
    /// Each entry's name and, right behind it, its version, its source and the source's version.
    text: Box<str>,
    entries: Box<[Entry]>,
    arches: Vec<Box<str>>,
    /// The architecture of dpkg itself.
    own: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u32,
    name: u16,
    version: u16,
    /// Nothing where it is as the package's own, as mostly.
    source: u16,
    source_version: u16,
    arch: u8,
    state: State,
    held: bool,
    leaves: Option<Verb>,
}

impl Index {
    /// Reads a database in the form of dpkg's `status`. What is no paragraph of a package is passed
    /// over, as dpkg's own tools do.
    ///
    /// # Errors
    /// Reading fails, or there are too many packages.
    pub fn parse(from: impl BufRead) -> io::Result<Self> {
        let mut builder = Builder::default();
        builder.read(from)?;
        Ok(builder.build())
    }

    /// How many packages it holds, each architecture counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Everything known of `NAME` or `NAME:ARCH`; what is there comes first.
    #[must_use]
    pub fn find(&self, asked: &str) -> Vec<Found> {
        let (name, arch) = match asked.split_once(':') {
            Some((name, arch)) => (name, Some(arch)),
            None => (asked, None),
        };
        let from = self.entries.partition_point(|entry| self.name(entry) < name);
        let mut found: Vec<Found> = self.entries[from..]
            .iter()
            .take_while(|entry| self.name(entry) == name)
            .map(|entry| self.found(entry))
            .filter(|found| arch.is_none_or(|arch| self.is_of(arch, found)))
            .collect();
        // Stable: among equals the order of architectures stays. The entries of the index have the
        // host's own architecture first.
        found.sort_by_key(|found| !found.state.is_there());
        found
    }

    /// Whether a package is of an architecture; what is for all of them is of the host's own, too,
    /// as apt has it.
    fn is_of(&self, arch: &str, found: &Found) -> bool {
        arch == found.arch || (found.arch == "all" && self.arch() == Some(arch))
    }

    /// Every package, by name.
    pub fn all(&self) -> impl Iterator<Item = Found> {
        self.entries.iter().map(|entry| self.found(entry))
    }

    /// What is there of a source package, by name.
    #[must_use]
    pub fn of_source(&self, source: &str) -> Vec<Found> {
        let of_it = |entry: &&Entry| entry.state.is_there() && self.texts(entry)[2] == source;
        self.entries.iter().filter(of_it).map(|entry| self.found(entry)).collect()
    }

    /// The architecture of dpkg itself, which is never a foreign one.
    #[must_use]
    pub fn arch(&self) -> Option<&str> {
        self.own.and_then(|own| self.arches.get(usize::from(own))).map(|arch| &**arch)
    }

    /// An entry's name, version, source and version of the source.
    fn texts(&self, entry: &Entry) -> [&str; 4] {
        let mut at = entry.at as usize;
        let parts = [entry.name, entry.version, entry.source, entry.source_version];
        let [name, version, source, source_version] = parts.map(|length| {
            let from = at;
            at += usize::from(length);
            self.text.get(from..at).unwrap_or_default()
        });
        let source = if source.is_empty() { name } else { source };
        let source_version = if source_version.is_empty() { version } else { source_version };
        [name, version, source, source_version]
    }

    fn name(&self, entry: &Entry) -> &str {
        self.texts(entry)[0]
    }

    fn found(&self, entry: &Entry) -> Found {
        let [name, version, source, source_version] = self.texts(entry).map(str::to_owned);
        let arch = self.arches.get(usize::from(entry.arch)).map_or("", |arch| arch).to_owned();
        let Entry { state, held, leaves, .. } = *entry;
        Found { name, arch, version, source, source_version, state, held, leaves }
    }
}

/// An index in the making.
#[derive(Default)]
struct Builder {
    text: String,
    entries: Vec<Entry>,
    arches: Vec<Box<str>>,
}

/// The fields of one paragraph that matter.
#[derive(Default)]
struct Paragraph {
    name: String,
    version: String,
    arch: String,
    status: String,
    source: String,
}

impl Paragraph {
    /// Its source package and that one's version, where they are not as its own.
    fn source(&self) -> (&str, &str) {
        let (source, version) = source(&self.source);
        (if source == self.name { "" } else { source }, version)
    }
}

/// Reads the field `Source`: a name, and a version in parentheses where it is another one
/// (deb-control(5)).
pub(super) fn source(field: &str) -> (&str, &str) {
    let (name, version) = field.split_once('(').unwrap_or((field, ""));
    (name.trim(), version.trim_end().trim_end_matches(')'))
}

impl Builder {
    /// Reads a file of at most so many bytes.
    fn read_file(&mut self, path: &Path, most: u64) -> io::Result<()> {
        let mut from = BufReader::new(File::open(path)?.take(most + 1));
        self.read(&mut from)?;
        if from.get_ref().limit() > 0 { Ok(()) } else { Err(too_large(most, "bytes")) }
    }

    fn read(&mut self, mut from: impl BufRead) -> io::Result<()> {
        let mut line = Vec::with_capacity(LINE_BYTES_MAX);
        let mut paragraph = Paragraph::default();
        while read_line(&mut from, &mut line)? {
            if line.iter().all(u8::is_ascii_whitespace) {
                self.add(&mut paragraph)?;
                continue;
            }
            let Some((field, value)) = field(&line) else { continue };
            let into = match field {
                b"package" => &mut paragraph.name,
                b"version" => &mut paragraph.version,
                b"architecture" => &mut paragraph.arch,
                b"status" => &mut paragraph.status,
                b"source" => &mut paragraph.source,
                _ => continue,
            };
            into.clear();
            into.push_str(value);
        }
        self.add(&mut paragraph)
    }

    /// Adds a paragraph and makes room for the next.
    fn add(&mut self, paragraph: &mut Paragraph) -> io::Result<()> {
        if let Some(entry) = self.entry(paragraph) {
            if self.entries.len() == DPKG_PACKAGES_MAX {
                return Err(too_large(DPKG_PACKAGES_MAX, "packages"));
            }
            let (source, version) = paragraph.source();
            for part in [&paragraph.name, &paragraph.version, source, version] {
                self.text.push_str(part);
            }
            self.entries.push(entry);
        }
        for field in [
            &mut paragraph.name,
            &mut paragraph.version,
            &mut paragraph.arch,
            &mut paragraph.status,
            &mut paragraph.source,
        ] {
            field.clear();
        }
        Ok(())
    }

    fn entry(&mut self, paragraph: &Paragraph) -> Option<Entry> {
        if paragraph.name.is_empty() {
            return None;
        }
        let mut words = paragraph.status.split_ascii_whitespace();
        let (want, _, state) = (words.next(), words.next(), words.next());
        // A word of a later dpkg says at least that dpkg knows the package.
        let known = |word: &str| State::ALL.iter().find(|(_, known)| *known == word);
        let state = match state {
            Some(word) => known(word).map_or(State::HalfInstalled, |(state, _)| *state),
            None => State::NotInstalled,
        };
        let (source, source_version) = paragraph.source();
        let length = |text: &str| u16::try_from(text.len()).ok();
        Some(Entry {
            at: u32::try_from(self.text.len()).ok()?,
            name: length(&paragraph.name)?,
            version: length(&paragraph.version)?,
            source: length(source)?,
            source_version: length(source_version)?,
            arch: self.arch(&paragraph.arch)?,
            state,
            held: want == Some("hold"),
            leaves: match want {
                Some("deinstall") => Some(Verb::Remove),
                Some("purge") => Some(Verb::Purge),
                _ => None,
            },
        })
    }

    fn arch(&mut self, name: &str) -> Option<u8> {
        let known = self.arches.iter().position(|known| **known == *name);
        let at = known.unwrap_or_else(|| {
            self.arches.push(name.into());
            self.arches.len() - 1
        });
        u8::try_from(at).ok()
    }

    /// Sorts by name, the host's own architecture first, and keeps the last word on each package.
    fn build(self) -> Index {
        let Self { text, mut entries, arches } = self;
        let name = |entry: &Entry| {
            let at = entry.at as usize;
            &text[at..at + usize::from(entry.name)]
        };
        // dpkg itself is never foreign.
        let dpkg = entries.iter().find(|entry| name(entry) == "dpkg" && entry.state.is_there());
        let own = dpkg.map(|entry| entry.arch);
        let key = |entry: &Entry| (Some(entry.arch) != own, entry.arch);
        // Later paragraphs first, so that they are the ones that stay.
        entries.reverse();
        entries.sort_by(|a, b| name(a).cmp(name(b)).then_with(|| key(a).cmp(&key(b))));
        entries.dedup_by(|a, b| a.arch == b.arch && name(a) == name(b));
        Index { entries: entries.into(), text: text.into(), arches, own }
    }
}

fn too_large(most: impl Display, of: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {most} {of}"))
}

/// Reads one line, cut to what is looked at; false at the end.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_BYTES_MAX - line.len())]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// A line's field, in lower case, and its value; nothing for a line that goes on with the one
/// before.
fn field(line: &[u8]) -> Option<(&'static [u8], &str)> {
    const FIELDS: [&[u8]; 5] = [b"package", b"version", b"architecture", b"status", b"source"];
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = FIELDS.into_iter().find(|name| line[..colon].eq_ignore_ascii_case(name))?;
    Some((name, std::str::from_utf8(&line[colon + 1..]).ok()?.trim()))
}

#[cfg(test)]
mod tests;
