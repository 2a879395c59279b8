//! What a filter may weigh; its terms are evaluated on every node, so their cost is bounded before
//! anything is signed. How many terms there may be is a limit of the protocol.

/// The longest single term, in bytes: a regular expression over some hundred host names.
pub const TERM_BYTES_MAX: usize = 4 * 1024;

/// How many regular expressions one filter may hold. With [`REGEX_PROGRAM_BYTES_MAX`] this bounds
/// the memory that a filter takes on a node.
pub const REGEXES_MAX: usize = 32;

/// The largest compiled regular expression, in bytes; counted repetitions such as `\w{500}` are
/// what exceeds it.
pub const REGEX_PROGRAM_BYTES_MAX: usize = 256 * 1024;

/// The cache of states that one regular expression may build while it runs, in bytes; when it is
/// full it is emptied, so that it costs time, never an answer.
pub const REGEX_CACHE_BYTES_MAX: usize = 256 * 1024;

/// How deep groups of a regular expression may nest, in levels.
pub const REGEX_NEST_MAX: u32 = 50;

/// How deep parentheses of an expression may nest, in levels: the parser's own depth on the stack.
pub const EXPRESSION_NEST_MAX: usize = 32;

/// How many parts between dots a fact's name may have to be looked for inside of other facts; one of
/// more parts is a flat name.
pub const PATH_PARTS_MAX: usize = 32;

/// How many names the lists and folded names (`web[01-17]`) of one command may have: twice the largest
/// fleet.
pub const UNFOLDED_NAMES_MAX: usize = 100_000;
