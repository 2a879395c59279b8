//! A small system of its own for apt and dpkg: a database, sources and packages in a folder, so that
//! the real programs do all they do, with their real locks and scripts, and touch nothing else.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use marcato_agent::runner::{self, Voice};
use marcato_agent::{Call, Catalog, Outcome};
use marcato_agents::package::{Apt, Dpkg, Package, State};
use marcato_core::{Facts, OrderId, Span, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A package to be built.
#[derive(Default)]
pub struct Deb<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// Further lines of its control file.
    pub control: &'a str,
    /// What it brings as its configuration file.
    pub conffile: &'a str,
    /// Its script before it is unpacked.
    pub preinst: &'a str,
    /// Its script before it is removed.
    pub prerm: &'a str,
    /// Its script after it was unpacked.
    pub postinst: &'a str,
    /// How many bytes it takes beside all that.
    pub bulk: usize,
}

/// The system.
pub struct Kit {
    dir: TempDir,
    catalog: Catalog,
}

impl Kit {
    /// One with these packages installed; nothing where the real programs cannot be used.
    pub fn with(installed: &[Deb<'_>]) -> Option<Self> {
        let root = rustix::process::geteuid().is_root();
        if !root || Dpkg::available().is_none() || missing("apt-ftparchive") || missing("apt-get") {
            eprintln!("skipped: needs root, apt-get, dpkg and apt-ftparchive");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "repo",
            "old",
            "root/var/lib/dpkg/info",
            "root/var/lib/dpkg/updates",
            "apt/etc/sources.list.d",
            "apt/lists/partial",
            "apt/cache/archives/partial",
            "apt/log",
        ] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let admin = dir.path().join("root/var/lib/dpkg");
        for name in ["status", "available"] {
            fs::write(admin.join(name), "").unwrap();
        }
        let config = dir.path().join("apt.conf");
        fs::write(&config, apt_conf(dir.path())).unwrap();
        let mut catalog = Catalog::new();
        let apt = Apt::at(&admin, config).unwrap();
        catalog.insert(Arc::new(Package::new(Arc::new(apt)).unwrap()));
        let kit = Self { dir, catalog };
        for deb in installed {
            kit.dpkg(&["-i", kit.build("old", deb).to_str().unwrap()]);
        }
        kit.source("file:", &kit.path("repo"));
        Some(kit)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts packages into the sources.
    pub fn publish(&self, debs: &[Deb<'_>]) {
        for deb in debs {
            self.build("repo", deb);
        }
        let said = self.run("apt-ftparchive", &["packages", "."], &self.path("repo"));
        fs::write(self.path("repo/Packages"), said.stdout).unwrap();
        let said = self.run("apt-ftparchive", &["release", "."], &self.path("repo"));
        fs::write(self.path("repo/Release"), said.stdout).unwrap();
    }

    /// Adds a line to apt's configuration.
    pub fn configure(&self, line: &str) {
        let mut options = fs::File::options();
        writeln!(options.append(true).open(self.path("apt.conf")).unwrap(), "{line}").unwrap();
    }

    /// Says from where packages come.
    pub fn source(&self, scheme: &str, at: &Path) {
        let line = format!("deb [trusted=yes] {scheme}{} ./\n", at.display());
        fs::write(self.path("apt/etc/sources.list"), line).unwrap();
    }

    fn build(&self, into: &str, deb: &Deb<'_>) -> PathBuf {
        let Deb { name, version, control, conffile, preinst, prerm, postinst, bulk } = deb;
        let tree = self.path(&format!("build/{name}_{version}"));
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fs::create_dir_all(tree.join("usr/share").join(name)).unwrap();
        fs::write(tree.join("usr/share").join(name).join("data"), version).unwrap();
        if *bulk > 0 {
            fs::write(tree.join("usr/share").join(name).join("bulk"), vec![0; *bulk]).unwrap();
        }
        let text = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: T <t@example.com>\n\
             {control}Description: a package to be tried with\n"
        );
        fs::write(tree.join("DEBIAN/control"), text).unwrap();
        if !conffile.is_empty() {
            fs::create_dir_all(tree.join("etc")).unwrap();
            fs::write(tree.join(format!("etc/{name}.conf")), conffile).unwrap();
            fs::write(tree.join("DEBIAN/conffiles"), format!("/etc/{name}.conf\n")).unwrap();
        }
        for (script, text) in [("preinst", preinst), ("prerm", prerm), ("postinst", postinst)] {
            if !text.is_empty() {
                let mut options = fs::OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(0o755);
                let mut script = options.open(tree.join("DEBIAN").join(script)).unwrap();
                write!(script, "#!/bin/sh\n{text}\n").unwrap();
            }
        }
        let file = self.path(&format!("{into}/{name}_{version}_amd64.deb"));
        let tree = tree.to_str().unwrap();
        self.run("dpkg-deb", &["--root-owner-group", "-b", tree, file.to_str().unwrap()], &file);
        file
    }

    pub fn dpkg(&self, arguments: &[&str]) -> Output {
        let own = own_options(self.dir.path());
        let all: Vec<&str> =
            own.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        self.run("dpkg", &all, self.dir.path())
    }

    /// Unpacks a package without what it needs.
    pub fn unpack(&self, deb: &Deb<'_>) {
        self.dpkg(&["--unpack", self.build("old", deb).to_str().unwrap()]);
    }

    /// Starts the real dpkg on a package and leaves it to itself.
    pub fn spawn_dpkg(&self, deb: &Deb<'_>) -> Child {
        self.spawn(&["-i", self.build("old", deb).to_str().unwrap()])
    }

    /// Starts the real dpkg and leaves it to itself.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new("dpkg");
        command.args(own_options(self.dir.path())).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What apt's own program says.
    pub fn apt(&self, program: &str, arguments: &[&str]) -> String {
        let said = Command::new(program)
            .env("APT_CONFIG", self.path("apt.conf"))
            .env("LC_ALL", "C")
            .args(arguments)
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    }

    fn run(&self, program: &str, arguments: &[&str], at: &Path) -> Output {
        let at = if at.is_dir() { at } else { self.dir.path() };
        let said = Command::new(program).args(arguments).current_dir(at).output().unwrap();
        assert!(said.status.success(), "{program} {arguments:?}: {said:?}");
        said
    }

    /// Asks the agent.
    pub async fn ask(&self, action: &str, inputs: Value) -> Outcome {
        let call = Call {
            order: OrderId::from_bytes([7; 16]),
            caller: "ops@example.com".parse().unwrap(),
            collective: "test".parse().unwrap(),
            agent: "package".parse().unwrap(),
            action: action.parse().unwrap(),
            inputs: inputs.as_object().unwrap().clone(),
            issued: Timestamp::from_ms(0),
            limit: Span::from_secs(120),
            facts: Arc::new(Facts::default()),
            voice: Voice::into(self.dir.path()),
        };
        self.catalog.call(&call).await
    }

    /// What the agent says that it does or waits for.
    pub fn said(&self) -> String {
        runner::said(self.dir.path()).unwrap()
    }

    pub async fn update(&self, package: &str) -> Outcome {
        self.ask("update", json!({ "package": package })).await
    }

    /// Every package with its version and state, as dpkg's database has them.
    pub fn installed(&self) -> Vec<(String, String, State)> {
        let dpkg = Dpkg::at(&self.path("root/var/lib/dpkg")).unwrap();
        let all = dpkg.index().unwrap();
        all.all().map(|found| (found.name, found.version, found.state)).collect()
    }

    /// The version of what is wholly installed.
    pub fn version(&self, name: &str) -> Option<String> {
        let all = self.installed().into_iter();
        let mut all = all.filter(|(_, _, state)| *state == State::Installed);
        all.find(|(found, ..)| found == name).map(|(_, version, _)| version)
    }
}

/// A filesystem of little room, for as long as this is there.
pub struct Small(PathBuf);

impl Small {
    /// One of so many KiB in a folder; nothing where none may be mounted.
    pub fn mount(at: PathBuf, kib: u32) -> Option<Self> {
        let options = format!("size={kib}k");
        let mut command = Command::new("mount");
        let mounted = command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        eprintln!("skipped: needs to mount a tmpfs");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn missing(program: &str) -> bool {
    let run = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    run.is_err()
}

/// What keeps dpkg to the folder. Its scripts run outside of it, where there is a shell.
fn own_options(dir: &Path) -> [String; 3] {
    let dir = dir.display();
    [
        format!("--root={dir}/root"),
        "--force-script-chrootless".to_owned(),
        format!("--log={dir}/dpkg.log"),
    ]
}

fn apt_conf(dir: &Path) -> String {
    let options = own_options(dir).map(|option| format!("\"{option}\"; ")).concat();
    let dir = dir.display();
    format!(
        "Dir \"{dir}/apt\";\nDir::Etc \"etc\";\nDir::Etc::main \"none\";\nDir::Etc::parts \"none\";\n\
         Dir::Etc::preferences \"preferences\";\nDir::Etc::preferencesparts \"none\";\n\
         Dir::Etc::trustedparts \"none\";\nDir::State \"{dir}/apt\";\nDir::State::lists \"lists\";\n\
         Dir::State::status \"{dir}/root/var/lib/dpkg/status\";\nDir::Cache \"cache\";\n\
         Dir::Log \"log\";\nAPT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
         APT::Sandbox::User \"root\";\nDPkg::Options {{ {options}}};\n"
    )
}
