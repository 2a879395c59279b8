//! What a node's policy may weigh; it is asked for every order.

/// The longest policy file, in bytes: some thousand rules.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// How many rules all files may hold together: rules are tried one after the other.
pub const RULES_MAX: usize = 10_000;

/// How many errors are told at once; who has more has given the wrong file.
pub const ERRORS_MAX: usize = 100;
