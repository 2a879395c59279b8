//! The service that is most likely meant where no unit has the name that was asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use marcato_core::limits::service::SERVICES_LISTED_MAX;
use marcato_core::nearest::nearest;

/// Where services are declared: systemd.unit(5), "Unit File Load Path", and System V's scripts.
const FOLDERS: [&str; 6] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "etc/init.d",
];

/// The nearest name of a service below `root` (`/` but for tests), without its kind.
pub(super) fn of_host(root: &Path, asked: &str) -> Option<String> {
    let mut names = BTreeSet::new();
    for folder in FOLDERS {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        for entry in entries.filter_map(Result::ok).take(SERVICES_LISTED_MAX) {
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.rsplit_once('.') {
                Some((service, "service")) => names.insert(service.to_owned()),
                // A folder of drop-ins, another kind of unit, a package manager's leftover.
                Some(_) => false,
                None => names.insert(name),
            };
        }
    }
    of(names.iter().map(String::as_str), asked)
}

/// The nearest of these names.
pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>, asked: &str) -> Option<String> {
    nearest(asked.trim_end_matches(".service"), names).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_scripts_are_names() {
        let root = tempfile::tempdir().unwrap();
        let files = ["usr/lib/systemd/system/nginx.service", "etc/init.d/cron"];
        for file in files.iter().chain(&["etc/systemd/system/ngnix.timer"]) {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let check = |asked: &str, want: Option<&str>| {
            assert_eq!(of_host(root.path(), asked).as_deref(), want, "{asked}");
        };
        check("ngnix.service", Some("nginx"));
        check("crno", Some("cron"));
        check("postgresql", None);
    }
}
