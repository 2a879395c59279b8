//! Init scripts as they are: run below a root of their own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use marcato_agents::service::{Job, Services, SystemV, Unit, Verb};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// A root with scripts.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for dir in ["etc/init.d", "etc/rc2.d", "etc/rc3.d", "run"] {
            fs::create_dir_all(root.0.path().join(dir)).unwrap();
        }
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let text_file = self.path("text");
        fs::write(&text_file, text).unwrap();
        // By another process: a file that this one has open for writing could not be run while
        // another test starts something.
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(text_file).arg(self.path("etc/init.d").join(name));
        assert!(install.status().unwrap().success());
    }

    fn scripts(&self) -> SystemV {
        SystemV::at(self.0.path()).unwrap()
    }

    async fn look(&self, name: &str) -> Option<Unit> {
        self.scripts().look(&format!("{name}.service")).await.unwrap()
    }

    async fn act(&self, verb: Verb, name: &str) -> Result<Job, String> {
        let until = Instant::now() + Duration::from_secs(60);
        self.scripts().act(verb, &format!("{name}.service"), until).await
    }
}

/// A script of a daemon that stays in its script's process group, as careless ones do.
fn daemon(pid_file: &str) -> String {
    format!(
        "#!/bin/sh\nFILE={pid_file}\ncase \"$1\" in\n\
         start) env > $FILE.env; pwd >> $FILE.env; sleep 1000 & echo $! > $FILE;;\n\
         stop) kill $(cat $FILE); rm $FILE;;\n\
         reload|force-reload) exit 3;;\n\
         status) test -e $FILE && exit 0; exit 3;;\n\
         *) echo usage; exit 2;;\nesac\n"
    )
}

#[tokio::test]
async fn a_daemon_outlives_its_script() {
    let root = Root::new();
    let file = root.path("run/app.pid");
    root.script("app", &daemon(&file.display().to_string()));
    let before = root.look("app").await.unwrap();
    assert_eq!((before.active.as_str(), before.main_pid), ("inactive", 0));
    assert_eq!(root.act(Verb::Start, "app").await, Ok(Job::Done));
    let after = root.look("app").await.unwrap();
    let pid: u32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert_eq!((after.active.as_str(), after.main_pid), ("active", pid));
    let clean = fs::read_to_string(root.path("run/app.pid.env")).unwrap();
    assert!(clean.ends_with("\n/\n") && !clean.contains("CARGO"), "{clean}");
    assert!(after.reloads);
    let reload = root.act(Verb::Reload, "app").await.unwrap_err();
    assert!(reload.ends_with("app reload: ended with 3: it cannot do that"), "{reload}");
    assert_eq!(root.act(Verb::Stop, "app").await, Ok(Job::Done));
    assert_eq!(root.look("app").await.unwrap().active, "inactive");
    // It was this test's child in the end; nothing is left of it.
    let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL);
}

#[tokio::test]
async fn what_status_says() {
    let root = Root::new();
    let check = async |code: u8, want: &str| {
        root.script("x", &format!("#!/bin/sh\ncase $1 in status) exit {code};; esac\n"));
        assert_eq!(root.look("x").await.unwrap().active, want, "{code}");
    };
    check(0, "active").await;
    check(1, "failed").await;
    check(2, "failed").await;
    check(3, "inactive").await;
    check(4, "unknown").await;
    check(150, "unknown").await;
    // Its usage ends with a code that means something else.
    root.script("x", "#!/bin/sh\n# status\ncase $1 in start) ;; *) exit 3;; esac\n");
    let unit = root.look("x").await.unwrap();
    assert_eq!((unit.active.as_str(), unit.reloads), ("unknown", false));
}

#[tokio::test]
async fn what_is_no_script_is_absent() {
    let root = Root::new();
    fs::write(root.path("etc/init.d/README"), "text").unwrap();
    root.script("./-x", "#!/bin/sh\n");
    for name in ["README", "nginx", "..", "-x", ""] {
        assert_eq!(root.look(name).await, None, "{name:?}");
    }
}

#[tokio::test]
async fn links_say_whether_it_is_enabled() {
    let root = Root::new();
    root.script("cron", "#!/bin/sh\n");
    let enabled = async || root.look("cron").await.unwrap().enabled;
    assert_eq!(enabled().await, "disabled");
    symlink("../init.d/cron", root.path("etc/rc2.d/K01cron")).unwrap();
    symlink("../init.d/other", root.path("etc/rc2.d/S01cron-other")).unwrap();
    assert_eq!(enabled().await, "disabled");
    symlink("../init.d/cron", root.path("etc/rc3.d/S01cron")).unwrap();
    assert_eq!(enabled().await, "enabled");
}

#[tokio::test]
async fn a_script_that_hangs_is_left_at_its_limit() {
    let root = Root::new();
    let file = root.path("run/pid");
    root.script("slow", &format!("#!/bin/sh\necho $$ > {}\nexec sleep 60\n", file.display()));
    let until = Instant::now() + Duration::from_millis(300);
    let job = root.scripts().act(Verb::Start, "slow.service", until).await;
    assert_eq!(job, Ok(Job::TooLong));
    if let Some(pid) = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()) {
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
    }
}
