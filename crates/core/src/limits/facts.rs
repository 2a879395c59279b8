//! What a node reads of its facts and classes; all of it goes into every registration.

use crate::time::Span;

/// The longest facts or classes file, in bytes. A larger one is not a facts file.
pub const FILE_BYTES_MAX: usize = 512 * 1024;

/// The most that all facts of a node may take as JSON, in bytes: with classes and agents they fit
/// into a registration.
pub const FACTS_BYTES_MAX: usize = 160 * 1024;

/// The most that all classes of a node may take, in bytes.
pub const CLASSES_BYTES_MAX: usize = 64 * 1024;

/// How deep a fact may nest, in levels of lists and maps: leaves room for what a registration puts
/// around it.
pub const DEPTH_MAX: usize = 8;

/// How deep a fact from Facter's folders or a program may nest while it is read. One deeper than
/// `DEPTH_MAX` is left out by itself; one deeper than this is refused with all that stands beside it.
pub const SIFTED_DEPTH_MAX: usize = 64;

/// How many values a facts file may hold, repeated ones counted each time: bounds what aliases
/// multiply.
pub const VALUES_MAX: usize = 20_000;

/// The longest name of a fact, in bytes.
pub const NAME_BYTES_MAX: usize = 512;

/// How many facts files `node.toml` may name.
pub const FILES_MAX: usize = 16;

/// How many folders of external facts `node.toml` may name.
pub const FOLDERS_MAX: usize = 16;

/// How many files are taken from one folder of external facts, in the order of their names.
pub const FOLDER_FILES_MAX: usize = 256;

/// How many facts of one source that are left out are named, each with the reason.
pub const LEFT_OUT_NAMED_MAX: usize = 3;

/// How many private facts `node.toml` may name.
pub const PRIVATE_MAX: usize = 256;

/// How much of a host's own file (`/proc/cpuinfo`, `/etc/hosts`) is read for a fact, in bytes.
pub const HOST_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How many network interfaces become facts; each takes about 700 bytes of a registration.
pub const INTERFACES_MAX: usize = 64;

/// How many processors are named by their model.
pub const PROCESSORS_MAX: usize = 64;

/// How many disks become facts.
pub const DISKS_MAX: usize = 64;

/// How many mounts become facts.
pub const MOUNTS_MAX: usize = 64;

/// The most that the kernel may say of interfaces, and of addresses, in bytes: 4,000 of them.
pub const NETLINK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long the kernel may take to say so.
pub const NETLINK_LIMIT: Span = Span::from_secs(1);

/// How long one executable of external facts may run.
pub const EXECUTABLE_LIMIT: Span = Span::from_secs(30);

/// How long `facter` may run: with custom facts of Puppet it takes seconds.
pub const FACTER_LIMIT: Span = Span::from_secs(120);

/// The most that an executable or `facter` may print, in bytes.
pub const OUTPUT_BYTES_MAX: usize = FILE_BYTES_MAX;

/// How many executables run at once: the host has other things to do.
pub const EXECUTABLES_AT_ONCE: usize = 2;

/// How often each is run at most, however often the node is told to read everything again. It is run
/// whenever facts are read, `facter` aside.
pub const EXECUTABLES_AT_MOST_EVERY: Span = Span::from_secs(3 * 60);

/// How often `facter` is run: it takes as much processor time as a node otherwise takes in hours.
pub const FACTER_RUN_EVERY: Span = Span::from_secs(3600);

/// How long a node waits at its start for what executables and `facter` print: until then orders
/// that ask for it would not match.
pub const FIRST_RUN_LIMIT: Span = Span::from_secs(10);
