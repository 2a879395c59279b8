//! Programs with one thing wrong with them, made of patches on a copy of the source: there is no
//! switch for any of this in the product. A checker that finds nothing in them checks nothing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use super::{simulation, succeed};

/// Where the patches are.
const PATCHES: &str = "crates/sim/mutations";

/// Where the copy is, below the target folder: always the same place, so that only what a patch
/// alters is built anew.
const COPY: &str = "sim-mutations";

/// Runs every mutation until it is caught.
///
/// # Errors
/// When a patch does not apply, its program cannot be built, or it is not caught.
pub fn run(root: &Path) -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = root.join(target.unwrap_or_else(|| "target".into()));
    let tree = target.join(COPY);
    let patches = patches(&root.join(PATCHES))?;
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        let sources = sources(root)?;
        let fault = |error: io::Error| format!("{}: {error}", tree.display());
        copy(root, &tree, &sources).map_err(fault)?;
        let mut apply = Command::new("git");
        // The copy lies inside of this repository, and is none: git must not look for one.
        apply.arg("apply").arg(patch).current_dir(&tree).env("GIT_CEILING_DIRECTORIES", &target);
        succeed(&mut apply, &format!("the mutation {name} does not apply"))?;
        print!("mutation {name}: ");
        io::stdout().flush().map_err(|error| error.to_string())?;
        let mut command = simulation(&tree, &["--until-caught"]);
        command.env("CARGO_TARGET_DIR", &target);
        succeed(&mut command, &format!("the mutation {name} was not caught"))?;
    }
    println!("{} mutations, each caught", patches.len());
    Ok(())
}

/// All patches, by name.
fn patches(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let fault = |error: io::Error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(fault)?;
    let mut patches = Vec::new();
    for entry in entries {
        patches.push(entry.map_err(fault)?.path());
    }
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    patches.sort();
    if patches.is_empty() {
        Err(format!("{} holds no patch", folder.display()))
    } else {
        Ok(patches)
    }
}

/// The files of the source tree, committed or not.
fn sources(root: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = list.current_dir(root).output().map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let files = text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    // What is deleted and not committed is listed all the same.
    Ok(files.filter(|file| root.join(file).is_file()).collect())
}

/// Makes `tree` hold these files and no others. What is the same already is left alone, so that it
/// is not built anew.
fn copy(root: &Path, tree: &Path, files: &BTreeSet<PathBuf>) -> io::Result<()> {
    for file in files {
        let (from, to) = (root.join(file), tree.join(file));
        let bytes = fs::read(&from)?;
        if fs::read(&to).is_ok_and(|known| known == bytes) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&to, bytes)?;
    }
    remove_others(tree, tree, files)
}

fn remove_others(tree: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(tree, &path, files)?;
        } else if !files.contains(relative(&path, tree)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn relative<'a>(path: &'a Path, to: &Path) -> &'a Path {
    path.strip_prefix(to).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_the_source_is() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |folder: &Path, name: &str, text: &str| {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), text).unwrap();
        };
        write(from.path(), "a/b", "new");
        write(to.path(), "a/b", "old");
        write(to.path(), "a/c", "left over");
        let files = BTreeSet::from([PathBuf::from("a/b")]);
        copy(from.path(), to.path(), &files).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("a/b")).unwrap(), "new");
        assert!(!to.path().join("a/c").exists());
    }
}
