//! `service.d/NAME.toml`: what is to pass before a running service is touched, and for how long it is
//! watched afterwards.
//!
//! systemd stops what runs before it finds out that a configuration is broken. So the files that the
//! package installs name, for the usual services, the program that checks it. A file of the same name
//! in `/etc/marcato/service.d` takes the place of the whole one that ships: an empty one switches the
//! check off.
//!
//! Root believes the file and runs the program that it names, so neither may be one that others could
//! have written.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Output};
use marcato_agent::safe::check_way;
use marcato_core::config::{self, ConfigError};
use marcato_core::limits::service::{
    CARE_BYTES_MAX, PRECHECK_BYTES_MAX, PRECHECK_LIMIT, PRECHECK_WORDS_MAX, SETTLE, SETTLE_MAX,
};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use tokio::process::Command;

use super::shown;

/// Where the files are: first the administrator's, then those that ship.
const DIRS: [&str; 2] = ["/etc/marcato/service.d", "/usr/share/marcato/service.d"];

/// What is to be done around a change of a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Care {
    /// The program that checks the configuration, and its arguments; nothing is no check.
    #[serde(default, deserialize_with = "argv")]
    pub precheck: Vec<String>,
    /// For how long the service is watched; whole seconds in the file.
    #[serde(default = "settle", deserialize_with = "seconds")]
    pub settle: Duration,
}

impl Default for Care {
    fn default() -> Self {
        Self { precheck: Vec::new(), settle: settle() }
    }
}

impl Care {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(file, text)
    }

    /// What this host's files say of a unit by its names, the one that was asked for first.
    ///
    /// # Errors
    /// Its file cannot be read or is wrong; says which and where.
    pub fn of_host(names: &[String]) -> Result<Self, String> {
        Self::find(&DIRS.map(Path::new), names)
    }

    /// As [`Care::of_host`], in other folders.
    ///
    /// # Errors
    /// As [`Care::of_host`].
    pub fn find(dirs: &[&Path], names: &[String]) -> Result<Self, String> {
        for dir in dirs {
            for name in names.iter().flat_map(|name| files(name)) {
                let path = dir.join(name);
                let shown = path.display().to_string();
                if let Some(text) = read(&path)? {
                    return Self::parse(&shown, &text).map_err(|error| error.to_string());
                }
            }
        }
        Ok(Self::default())
    }

    /// Runs the check.
    ///
    /// # Errors
    /// It did not pass; says what it said.
    pub async fn check(&self, limit: Duration) -> Result<(), String> {
        let Some((program, arguments)) = self.precheck.split_first() else { return Ok(()) };
        let told = self.precheck.join(" ");
        if program.starts_with('/') {
            check_way(Path::new(program)).map_err(|error| error.to_string())?;
        }
        let limit = limit.min(PRECHECK_LIMIT.as_duration());
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/");
        command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C");
        let ended = process::run(command, limit, Output::Keep(PRECHECK_BYTES_MAX)).await;
        let ended = ended.map_err(|error| format!("{told}: {error}"))?;
        let said = match shown::lines(&ended.stderr) {
            said if said.is_empty() => shown::lines(&ended.stdout),
            said => said,
        };
        match ended.status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{told}: {}", shown::ended(status, &said))),
            None => Err(format!("{told}: did not end within {} s", limit.as_secs())),
        }
    }
}

/// The names of a unit's file: its own, and that of the template that it is an instance of.
fn files(unit: &str) -> Vec<String> {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let template = name.split_once('@').filter(|(_, instance)| !instance.is_empty());
    let template = template.map(|(template, _)| format!("{template}@.toml"));
    [Some(format!("{name}.toml")), template].into_iter().flatten().collect()
}

/// The text of a file that root may believe; `None` where there is none.
fn read(path: &Path) -> Result<Option<String>, String> {
    let wrong = |why: &dyn Display| format!("{}: {why}", path.display());
    match path.metadata() {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(wrong(&"not a regular file")),
        // A link that leads nowhere is a mistake.
        Err(_) if path.symlink_metadata().is_err_and(|error| is_missing(&error)) => {
            return Ok(None);
        }
        Err(error) => return Err(wrong(&error)),
    }
    check_way(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(CARE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| wrong(&error))?;
    match read as u64 > CARE_BYTES_MAX {
        true => Err(wrong(&format!("longer than {CARE_BYTES_MAX} bytes"))),
        false => Ok(Some(text)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

const fn settle() -> Duration {
    SETTLE.as_duration()
}

fn argv<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    match words.first() {
        Some(program) if program.is_empty() || program.find('/').is_some_and(|at| at > 0) => {
            Err(D::Error::custom(format!(
                "precheck begins with {program:?}; it must be a program's whole path or its name \
                 alone"
            )))
        }
        _ if words.len() > PRECHECK_WORDS_MAX => Err(D::Error::custom(format!(
            "precheck has {} words; at most {PRECHECK_WORDS_MAX} are taken",
            words.len()
        ))),
        _ if words.iter().any(|word| word.contains('\0')) => {
            Err(D::Error::custom("precheck contains a NUL"))
        }
        _ => Ok(words),
    }
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let (seconds, most) = (u64::deserialize(from)?, SETTLE_MAX.as_duration());
    let asked = Duration::from_secs(seconds);
    if asked > most {
        let most = most.as_secs();
        return Err(D::Error::custom(format!("settle is {seconds} s; at most {most} s are taken")));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{Mode, chmod};

    use super::*;

    #[test]
    fn files_are_strict() {
        let check = |text: &str, want: &str| {
            let got = match Care::parse("nginx.toml", text) {
                Ok(care) => format!("{:?} {:?}", care.precheck, care.settle),
                Err(error) => error.to_string(),
            };
            assert_eq!(got, want);
        };
        check("", "[] 2s");
        check("settle = 0\n", "[] 0ns");
        check("precheck = ['/bin/true', '-t']\nsettle = 5\n", r#"["/bin/true", "-t"] 5s"#);
        check("settle = 61", "nginx.toml:1: settle is 61 s; at most 60 s are taken");
        check("\nsettle = '2s'", "nginx.toml:2: invalid type: string \"2s\", expected u64");
        check(
            "precheck = ['sbin/nginx']",
            "nginx.toml:1: precheck begins with \"sbin/nginx\"; it must be a program's whole path \
             or its name alone",
        );
        check(
            "\nprechek = []",
            "nginx.toml:2: unknown key \"prechek\"; did you mean \"precheck\"?",
        );
        check(
            "precheck = '/bin/true'",
            "nginx.toml:1: invalid type: string \"/bin/true\", expected a sequence",
        );
    }

    #[test]
    fn the_administrators_file_takes_the_place_of_the_shipped_one() {
        let (etc, share) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let settle = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Care::find(&[etc.path(), share.path()], &names).map(|care| care.settle.as_secs())
        };
        fs::write(share.path().join("ssh.toml"), "settle = 5").unwrap();
        fs::write(share.path().join("postfix@.toml"), "settle = 6").unwrap();
        fs::write(share.path().join("x.socket.toml"), "settle = 7").unwrap();
        assert_eq!(settle(&["nginx.service"]), Ok(2));
        assert_eq!(settle(&["ssh.service"]), Ok(5));
        assert_eq!(settle(&["sshd.service", "ssh.service"]), Ok(5), "by another of its names");
        assert_eq!(settle(&["postfix@-.service"]), Ok(6), "an instance has its template's");
        assert_eq!(settle(&["postfix.service"]), Ok(2));
        assert_eq!(settle(&["x.socket"]), Ok(7));
        fs::write(etc.path().join("ssh.toml"), "").unwrap();
        assert_eq!(settle(&["ssh.service"]), Ok(2));
        fs::write(etc.path().join("ssh.toml"), "\n\nsetle = 2").unwrap();
        let error = settle(&["ssh.service"]).unwrap_err();
        assert!(error.contains("ssh.toml:3: unknown key \"setle\""), "{error}");
        fs::write(etc.path().join("big.toml"), "#".repeat(20_000)).unwrap();
        assert!(settle(&["big.service"]).unwrap_err().contains("longer than 16384 bytes"));
    }

    #[tokio::test]
    async fn a_check_says_why_it_did_not_pass() {
        async fn check(argv: &[&str], limit: u64, want: Result<(), &str>) {
            let precheck = argv.iter().map(|word| (*word).to_owned()).collect();
            let care = Care { precheck, settle: settle() };
            let got = care.check(Duration::from_millis(limit)).await;
            match want {
                Ok(()) => assert_eq!(got, Ok(())),
                Err(part) => assert!(got.as_ref().unwrap_err().contains(part), "{got:?}"),
            }
        }
        check(&[], 1, Ok(())).await;
        check(&["/bin/true"], 5000, Ok(())).await;
        check(&["true"], 5000, Ok(())).await;
        check(&["/bin/false"], 5000, Err("/bin/false: ended with 1")).await;
        check(&["/bin/ls", "/nonexistent"], 5000, Err("/nonexistent")).await;
        check(&["/nonexistent"], 5000, Err("/nonexistent: No such file")).await;
        check(&["/bin/sleep", "1000"], 50, Err("did not end within 0 s")).await;
    }

    #[tokio::test]
    async fn what_others_could_have_written_is_neither_believed_nor_run() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["x.service".to_owned()];
        let find = || Care::find(&[dir.path()], &names).map(|care| care.settle.as_secs());
        let path = dir.path().join("x.toml");
        fs::write(&path, "settle = 7").unwrap();
        let mode = |path: &Path, mode| {
            chmod(path, Mode::from_raw_mode(mode)).unwrap();
        };
        mode(&path, 0o664);
        assert!(find().unwrap_err().contains("x.toml: writable by group or others (mode 0664)"));
        mode(&path, 0o644);
        assert_eq!(find(), Ok(7));
        fs::remove_file(&path).unwrap();
        symlink("/dev/null", &path).unwrap();
        assert!(find().unwrap_err().ends_with("x.toml: not a regular file"));
        fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        assert!(find().unwrap_err().contains("x.toml: No such file"));
        let program = dir.path().join("check");
        // By another process: what this one has open for writing could not be run.
        let copied = std::process::Command::new("cp").arg("/bin/true").arg(&program).status();
        assert!(copied.unwrap().success());
        let precheck = vec![program.to_str().unwrap().to_owned()];
        let care = Care { precheck, settle: settle() };
        let check = async || care.check(Duration::from_secs(5)).await;
        mode(&program, 0o777);
        assert!(check().await.unwrap_err().contains("check: writable by group or others"));
        mode(&program, 0o755);
        mode(dir.path(), 0o777);
        let error = check().await.unwrap_err();
        assert!(error.contains("writable by group or others (mode 0777)"), "{error}");
        mode(dir.path(), 0o755);
        assert_eq!(check().await, Ok(()));
    }

    #[test]
    fn the_shipped_files_are_right() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/service.d"));
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let want = [
            "apache2.toml",
            "haproxy.toml",
            "httpd.toml",
            "named.toml",
            "nginx.toml",
            "postfix.toml",
            "postfix@.toml",
            "squid.toml",
            "ssh.toml",
            "sshd.toml",
        ];
        assert_eq!(names, want);
        for name in names {
            let care = Care::parse(&name, &fs::read_to_string(dir.join(&name)).unwrap()).unwrap();
            assert!(!care.precheck.is_empty(), "{name}");
        }
    }
}
