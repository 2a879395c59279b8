//! Programs with one thing wrong with them, made of patches on a copy of the source: there is no
//! switch for any of this in the product. Each names the checker that must find it: one that does not
//! checks nothing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use super::{simulation, succeed};

/// Where the patches are.
const PATCHES: &str = "crates/sim/mutations";

/// How a patch begins: the name of the checker that must find what is wrong follows.
const CAUGHT_BY: &str = "Caught by: ";

/// Where the copy and what is built of it are, below the target folder: always the same place, so
/// that only what a patch alters is built anew.
const COPY: &str = "sim-mutations";

/// What of a target folder is taken over for the copy's.
const BUILT: [&str; 3] = ["deps", ".fingerprint", "build"];

/// Runs every mutation until it is caught.
///
/// # Errors
/// When a patch does not apply, its program cannot be built, or it is not caught.
pub fn run(root: &Path) -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = root.join(target.unwrap_or_else(|| "target".into()));
    let (tree, own) = (target.join(COPY).join("tree"), target.join(COPY).join("target"));
    let fault = |error: io::Error| format!("{}: {error}", target.join(COPY).display());
    if !own.is_dir() {
        take_over(&target.join("sim"), &own.join("sim")).map_err(fault)?;
    }
    let patches = patches(&root.join(PATCHES))?;
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        let checker = checker_of(&fs::read_to_string(patch).map_err(fault)?)
            .ok_or_else(|| format!("the mutation {name} does not begin with {CAUGHT_BY:?}"))?;
        copy(root, &tree, &sources(root)?).map_err(fault)?;
        let mut apply = Command::new("git");
        // The copy lies inside of this repository, and is none: git must not look for one.
        apply.arg("apply").arg(patch).current_dir(&tree);
        apply.env("GIT_CEILING_DIRECTORIES", target.join(COPY));
        succeed(&mut apply, &format!("the mutation {name} does not apply"))?;
        print!("mutation {name}: ");
        io::stdout().flush().map_err(|error| error.to_string())?;
        let mut command = simulation(&tree, &["--until-caught", &checker]);
        // Cargo tells two trees that share a target folder apart by nothing at all.
        command.env("CARGO_TARGET_DIR", &own);
        succeed(&mut command, &format!("the mutation {name} was not caught"))?;
    }
    println!("{} mutations, each caught", patches.len());
    Ok(())
}

/// The checker that a patch names in its first line.
fn checker_of(patch: &str) -> Option<String> {
    Some(patch.lines().next()?.strip_prefix(CAUGHT_BY)?.to_owned())
}

/// Takes over what was built of other people's crates, which is the same for every tree.
fn take_over(from: &Path, to: &Path) -> io::Result<()> {
    for folder in BUILT.map(|name| (from.join(name), to.join(name))) {
        if folder.0.is_dir() {
            take_over_folder(&folder.0, &folder.1)?;
        }
    }
    Ok(())
}

fn take_over_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_string_lossy().trim_start_matches("lib").starts_with("marcato") {
            continue;
        }
        let to = to.join(&name);
        if path.is_dir() {
            take_over_folder(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
            // Cargo goes by the time.
            fs::File::options()
                .write(true)
                .open(&to)?
                .set_modified(entry.metadata()?.modified()?)?;
        }
    }
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
    fn a_patch_names_its_checker_first() {
        let check = |patch: &str, want: Option<&str>| {
            assert_eq!(checker_of(patch).as_deref(), want, "{patch:?}");
        };
        check("Caught by: at most once\n\ndiff", Some("at most once"));
        check("diff\nCaught by: at most once\n", None);
        check("", None);
    }

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
