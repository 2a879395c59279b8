//! Where an operator's files are: the folders of the XDG base directory specification, and what
//! names in a file are relative to.

use std::env;
use std::path::{Path, PathBuf};

use super::FleetError;
use crate::environment;

/// What the names in a configuration file begin from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The folder of the file.
    folder: PathBuf,
    /// The operator's home directory, for names that begin with `~/`.
    home: Option<PathBuf>,
}

impl Home {
    /// The folder of the configuration: `~/.config/marcato`, or `marcato` in `XDG_CONFIG_HOME`.
    ///
    /// # Errors
    /// [`FleetError::NoHome`].
    pub fn config() -> Result<PathBuf, FleetError> {
        folder(environment::CONFIG_HOME.name, ".config", "the configuration")
    }

    /// The folder of the state: `~/.local/state/marcato`, or `marcato` in `XDG_STATE_HOME`.
    ///
    /// # Errors
    /// [`FleetError::NoHome`].
    pub fn state() -> Result<PathBuf, FleetError> {
        folder(environment::STATE_HOME.name, ".local/state", "known nodes and results")
    }

    /// What names in this file begin from.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, home: directory(environment::HOME.name) }
    }

    /// A name of the file as a path: `~/` is the home directory, and what is relative begins at the
    /// file's own folder.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(path),
        }
    }
}

/// A folder that the environment names. An empty or a relative value counts as none, as the
/// specification wants it.
fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn folder(variable: &str, below: &str, what: &'static str) -> Result<PathBuf, FleetError> {
    let base = directory(variable)
        .or_else(|| directory(environment::HOME.name).map(|home| home.join(below)));
    base.map(|base| base.join("marcato")).ok_or(FleetError::NoHome("HOME", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_file_are_relative_to_it_or_to_the_home_directory() {
        let home = Home { folder: "/etc/fleet".into(), home: Some("/home/ops".into()) };
        let check = |name: &str, want: &str| {
            assert_eq!(home.resolve(Path::new(name)), Path::new(want));
        };
        check("/srv/state", "/srv/state");
        check("state", "/etc/fleet/state");
        check("~/.ssh/id_ed25519", "/home/ops/.ssh/id_ed25519");
        check("~other/x", "/etc/fleet/~other/x");
    }
}
