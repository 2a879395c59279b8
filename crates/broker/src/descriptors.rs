//! Room for connections: each takes a file descriptor.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit of open files to the highest that the system lets it have, and
/// says what that is (`None` is no limit). Debian starts programs with 1,024, for the sake of old
/// ones that use `select`; a program started from this one should be given its old limit back.
///
/// # Errors
/// Whatever the system says when it refuses.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum)
}
