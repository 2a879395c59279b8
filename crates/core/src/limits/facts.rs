//! What a node reads of its facts and classes; all of it goes into every registration.

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

/// How many values a facts file may hold, repeated ones counted each time: bounds what aliases
/// multiply.
pub const VALUES_MAX: usize = 20_000;

/// The longest name of a fact, in bytes.
pub const NAME_BYTES_MAX: usize = 512;
