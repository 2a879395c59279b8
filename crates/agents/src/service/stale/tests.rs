//! Looks at a process table of files, and at this machine's own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{major, minor};

use super::*;

/// A process table, and a folder in which its processes have mapped files.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        host.process("self", "mcod", "", "pid:[1]", "mnt:[1]", &host.file("mcod"));
        host
    }

    fn proc(&self) -> PathBuf {
        self.dir.path().join("proc")
    }

    /// A file, made at the first time.
    fn file(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join("files").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.exists() {
            fs::write(&path, name).unwrap();
        }
        path
    }

    fn process(&self, pid: &str, comm: &str, group: &str, pids: &str, mounts: &str, exe: &Path) {
        let dir = self.proc().join(pid);
        fs::create_dir_all(dir.join("ns")).unwrap();
        fs::create_dir_all(dir.join("map_files")).unwrap();
        symlink(pids, dir.join("ns/pid")).unwrap();
        symlink(mounts, dir.join("ns/mnt")).unwrap();
        symlink("/", dir.join("root")).unwrap();
        symlink(exe, dir.join("exe")).unwrap();
        fs::write(dir.join("comm"), format!("{comm}\n")).unwrap();
        fs::write(dir.join("cgroup"), format!("0::{group}\n")).unwrap();
        fs::write(dir.join("maps"), "").unwrap();
    }

    /// A process of this host with these lines.
    fn service(&self, pid: u32, group: &str, maps: &[String]) {
        self.process(&pid.to_string(), "x", group, "pid:[1]", "mnt:[1]", &self.file("bin"));
        fs::write(self.proc().join(pid.to_string()).join("maps"), maps.concat()).unwrap();
    }

    fn found(&self, library: Option<&Library>) -> Found {
        let until = Instant::now() + Duration::from_secs(60);
        Scan { proc: &self.proc(), scratch: &["/scratch/"], library, until }.run().unwrap()
    }

    /// Who uses what: one line each.
    fn lines(&self) -> Vec<String> {
        let report = Report::of(self.found(None));
        let short = |uses: &Use| {
            let files = uses.files.iter().map(|file| file.rsplit('/').next().unwrap());
            format!("{:?} {}", uses.pids, files.collect::<Vec<_>>().join(","))
        };
        let services = report.services.iter().map(|(unit, uses)| format!("{unit} {}", short(uses)));
        let left = report
            .left
            .iter()
            .map(|left| format!("{} {} ({})", left.name, short(&left.uses), left.reason));
        services.chain(left).collect()
    }
}

/// A line of `maps` for a file with the device and inode of another.
fn line_of(path: &Path, identity: &Path, end: &str) -> String {
    let meta = fs::metadata(identity).unwrap();
    let (device, inode) = (meta.dev(), meta.ino());
    let (major, minor) = (major(device), minor(device));
    format!(
        "00001000-00002000 r-xp 00000000 {major:02x}:{minor:02x} {inode}    {}{end}\n",
        path.display()
    )
}

#[test]
fn deleted_and_replaced_files_are_found() {
    let host = Host::new();
    let (new, old, same) = (host.file("libssl.so.3"), host.file("old"), host.file("libc.so.6"));
    let fresh = line_of(&same, &same, "");
    let deleted = line_of(&new, &old, " (deleted)");
    let shared = fresh.replace("r-xp", "r--p");
    host.service(10, "/system.slice/nginx.service", &[fresh.clone(), deleted.clone()]);
    host.service(11, "/system.slice/nginx.service", std::slice::from_ref(&deleted));
    host.service(12, "/system.slice/cron.service", &[fresh, shared]);
    host.service(13, "/system.slice/ssh.service", &[line_of(&new, &old, "")]);
    // Without its link in map_files a device without a number of its own proves nothing.
    let overlay = "00001000-00002000 r-xp 0 00:1b 1    ";
    host.service(14, "/system.slice/a.service", &[format!("{overlay}{}\n", same.display())]);
    let scratch = "1000-2000 r-xp 0 fe:01 7 /scratch/x (deleted)\n".to_owned();
    host.service(15, "/system.slice/b.service", &[scratch]);
    // A file system that was taken away is no update.
    let gone = "1000-2000 r-xp 0 fe:01 7 /nonexistent/lib.so\n".to_owned();
    host.service(16, "/system.slice/c.service", &[gone]);
    let anonymous = Mapping::parse(overlay.as_bytes()).is_none();
    assert!(anonymous, "no path, no file");
    let ssh = match fs::metadata(&new).map(|meta| major(meta.dev())).unwrap() {
        0 => Vec::new(),
        _ => vec!["ssh.service [13] libssl.so.3".to_owned()],
    };
    let want = [vec!["nginx.service [10, 11] libssl.so.3".to_owned()], ssh].concat();
    assert_eq!(host.lines(), want);
}

#[test]
fn what_stat_says_of_the_mapped_file_itself_is_believed() {
    let host = Host::new();
    let (new, old) = (host.file("libssl.so.3"), host.file("old"));
    for (pid, mapped) in [(10, &old), (11, &new)] {
        // As overlayfs shows it: neither device nor inode are those of stat.
        let line = format!("1000-2000 r-xp 0 00:1b {pid} {}\n", new.display());
        host.service(pid, &format!("/system.slice/s{pid}.service"), &[line]);
        let link = host.proc().join(pid.to_string()).join("map_files/1000-2000");
        symlink(mapped, link).unwrap();
    }
    assert_eq!(host.lines(), ["s10.service [10] libssl.so.3"]);
}

#[test]
fn what_is_not_restarted_has_its_reason() {
    let host = Host::new();
    let lib = host.file("lib.so.1");
    let line = line_of(&lib, &lib, " (deleted)");
    let groups = [
        "/system.slice/dbus.service",
        "/system.slice/systemd-logind.service",
        "/system.slice/system-getty.slice/getty@tty1.service",
        "/user.slice/user-0.slice/session-3.scope",
        "/init.scope",
        "/",
    ];
    for (pid, group) in (20..).zip(groups) {
        host.service(pid, group, std::slice::from_ref(&line));
    }
    let write = |pid: u32| fs::write(host.proc().join(format!("{pid}/maps")), &line).unwrap();
    host.process("30", "mcod", "/system.slice/m.service", "pid:[1]", "mnt:[1]", &host.file("mcod"));
    write(30);
    let container = "/machine.slice/machine-web1.scope/system.slice/nginx.service";
    host.process("31", "nginx", container, "pid:[2]", "mnt:[2]", &host.file("bin"));
    write(31);
    let mut lines = host.lines();
    lines.sort();
    let want = [
        "dbus.service [20] lib.so.1 (what talks over the bus does not survive its restart)",
        "getty@tty1.service [22] lib.so.1 (somebody may be logged in there)",
        "init.scope [24] lib.so.1 (systemd itself: systemctl daemon-reexec on the host, or a reboot)",
        "m.service [30] lib.so.1 (Marcato does not restart itself)",
        "nginx.service [31] lib.so.1 (in a container: restart that)",
        "session-3.scope [23] lib.so.1 (a user's session)",
        "systemd-logind.service [21] lib.so.1 (a restart could end sessions)",
        "x [25] lib.so.1 (runs outside of every unit)",
    ];
    assert_eq!(lines, want);
}

#[test]
fn an_own_mount_namespace_is_looked_into() {
    let host = Host::new();
    let root = host.dir.path().join("root");
    fs::create_dir_all(root.join("lib")).unwrap();
    fs::write(root.join("lib/a.so"), "new").unwrap();
    let line = line_of(Path::new("/lib/a.so"), &root.join("lib/a.so"), "");
    let process = |pid: u32, root: &Path| {
        let name = format!("/system.slice/s{pid}.service");
        host.process(&pid.to_string(), "x", &name, "pid:[1]", "mnt:[2]", &host.file("bin"));
        let dir = host.proc().join(pid.to_string());
        fs::write(dir.join("maps"), &line).unwrap();
        fs::remove_file(dir.join("root")).unwrap();
        symlink(root, dir.join("root")).unwrap();
    };
    // Its root is not that of its namespace: what lies at the path there is another file.
    process(10, &root);
    assert_eq!(host.lines(), Vec::<String>::new());
}

#[test]
fn a_library_is_picked_out_and_everything_is_bounded() {
    let host = Host::new();
    let (ssl, zlib) = (host.file("libssl.so.3"), host.file("libz.so.1.2.13"));
    let lines = |libs: &[&PathBuf]| -> Vec<String> {
        libs.iter().map(|lib| line_of(lib, lib, " (deleted)")).collect()
    };
    host.service(10, "/system.slice/both.service", &lines(&[&ssl, &zlib]));
    host.service(11, "/system.slice/zlib.service", &lines(&[&zlib]));
    let library = Library::find("libssl.so.3", Path::new("/nonexistent")).unwrap().unwrap();
    let found = found_units(&host.found(Some(&library)));
    assert_eq!(found, [("both.service".to_owned(), 1)]);
    let many: Vec<String> =
        (0..500).map(|n| format!("1000-2000 r-xp 0 fe:01 7 /opt/{n} (deleted)\n")).collect();
    for pid in 100..150 {
        host.service(pid, "/system.slice/many.service", &many);
    }
    let found = Report::of(host.found(None));
    let (_, many) = found.services.iter().find(|(unit, _)| unit == "many.service").unwrap();
    assert_eq!((many.processes, many.pids.len(), many.files.len()), (50, 20, 20));
}

fn found_units(found: &Found) -> Vec<(String, usize)> {
    let report = Report::of(found.clone());
    report.services.into_iter().map(|(unit, uses)| (unit, uses.files.len())).collect()
}

#[test]
fn a_table_without_end_ends_at_the_time_limit() {
    let host = Host::new();
    host.service(10, "/", &[]);
    let scan = Scan { proc: &host.proc(), scratch: &[], library: None, until: Instant::now() };
    assert_eq!(scan.run().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn a_real_program_that_was_replaced_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (program, newer) = (dir.join("program"), dir.join("newer"));
    // By another process: a file that this one has open for writing could not be run while another
    // test starts something.
    let copy = |to: &Path| {
        assert!(Command::new("cp").arg("/bin/sleep").arg(to).status().unwrap().success());
    };
    copy(&program);
    let path = program.to_str().unwrap();
    let library = Library::find(path, Path::new("/nonexistent")).unwrap();
    let mut child = Command::new(&program).arg("60").spawn().unwrap();
    let uses = || -> Vec<Use> {
        let until = Instant::now() + Duration::from_secs(60);
        let proc = Path::new("/proc");
        let scan = Scan { proc, scratch: &[], library: library.as_ref(), until };
        scan.run().unwrap().users.into_values().collect()
    };
    assert_eq!(uses(), []);
    copy(&newer);
    fs::rename(newer, &program).unwrap();
    let (pids, files) = (vec![child.id()], BTreeSet::from([path.to_owned()]));
    assert_eq!(uses(), [Use { processes: 1, pids, files }]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(uses(), []);
}

#[tokio::test]
async fn this_machine_can_be_looked_at() {
    let report = look(&Of::All).await.unwrap().unwrap();
    let outputs = report.outputs();
    assert_eq!(outputs["count"], report.services.len());
    assert_eq!(look(&Of::Named("opnessl-typo".to_owned())).await, Ok(None));
    assert!(look(&Of::Named("libc.so.6".to_owned())).await.unwrap().is_some());
}
