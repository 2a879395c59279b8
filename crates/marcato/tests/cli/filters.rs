//! Filters: offline, and as they choose among the nodes of a lab.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::kit::{Lab, mco, transcript, words};

const FACTS: &str = "hagroup: c\nos:\n  name: Debian\n  release: {major: '12'}\nversion: 1.10.2\n\
                     disks: [sda, sdb]\nmounts: [{path: /var}]\nempty:\n";

/// What commands say in a folder with facts and classes, without any fleet.
fn offline(lines: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("facts.yaml"), FACTS).unwrap();
    std::fs::write(home.path().join("broken.yaml"), "a: [1\nb: 2\n").unwrap();
    std::fs::write(home.path().join("facts.json"), r#"{"hagroup": "b"}"#).unwrap();
    std::fs::write(home.path().join("classes"), "common\nrole::web\n").unwrap();
    let type_ = |line: &&str| {
        let output = mco(home.path()).args(words(line)).output().unwrap();
        transcript(line, &output, home.path())
    };
    lines.iter().map(type_).collect::<Vec<_>>().join("\n")
}

#[test]
fn checked_offline() {
    insta::assert_snapshot!(offline(&[
        "filter check -W 'hagroup=c common' --facts facts.yaml --classes classes",
        "filter check -F hagroup!=c -C /^db/ -A package --facts facts.yaml --classes classes",
        "filter check -A package -A /^ser/ --agents package,service --facts facts.yaml",
        "filter check -F version>1.9.0 -F os.release.major>=12 -F nosuch=x --facts facts.yaml",
        "filter check -F disks=/^sd/ -F disks!=sda -F empty= --facts facts.yaml",
        "filter check -F version>1.9 -F mounts!=/var -A mcollective --facts facts.yaml",
        "filter check -S 'os.name=Debian and not (hagroup=b or role::db)' --facts facts.yaml",
        "filter check -S 'not hagroup=~[cd] || nosuch' --facts facts.yaml --classes classes",
        "filter check -I web[01-03].x -I /db/ --identity web02.x --facts facts.json",
        "filter check -I web[1-300] --identity web9 --facts facts.json",
        "filter check -I web[1-300] --identity db1 --facts facts.json",
        "filter check --facts facts.json",
        "filter check -S 'hagroup=b and' --facts facts.json",
        "filter check -F hagroup=b --facts nosuch.yaml",
        "filter check -F hagroup=b --facts broken.yaml",
        "filter check -F hagroup=b --facts facts.json --classes nosuch",
        "filter check -F hagroup=b --facts facts.json --identity 'web 1'",
        "filter check -F hagroup=b",
    ]));
}

#[test]
fn explained() {
    insta::assert_snapshot!(offline(&[
        "filter explain",
        "filter explain -W 'operatingsystem=Debian common' -A package -I web1 -I /^db/i",
        "filter explain -F a==/x/ -F b!=x -F c!=/x/i -F d=~x -F e!~/x/ -F f=",
        "filter explain -F a<8.5 -F b>=1.10.2 -F c=>x -F d=<007 -F e>-5",
        "filter explain -S '(hagroup=b or hagroup=c) and !role::db and motd=\"it is (up)\"'",
        "filter explain -I web[1-300].x -F a=b",
        "filter explain -I web[01-20].x",
        "filter explain -S '/web'",
        "filter explain -W 'common 日本=/東京(/'",
        "filter explain -F 'sp name=/x/' -S '\"sp name\"=x'",
        "filter explain -F 'sp name=x'",
        "filter explain -S '(role::web or role::db or role::mail or role::proxy or role::backup or common'",
    ]));
}

#[test]
fn the_page_is_in_the_program() {
    let home = tempfile::tempdir().unwrap();
    let output = mco(home.path()).args(["filter", "reference"]).output().unwrap();
    assert_eq!(output.stdout, include_bytes!("../../../../docs/reference/filters.md"));
}

/// MCollective's own rows by the whole way: a facts file as the node reads it, the command's flags.
#[test]
fn the_table_of_the_ancestors_answers() {
    let home = tempfile::tempdir().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list =
        |value: &Value| -> Vec<String> { value.as_array().unwrap().iter().map(text).collect() };
    let (mut host, mut rows, mut wrong) = (Vec::new(), 0, Vec::new());
    for line in include_str!("../../../filter/tests/filter-truth.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["type"] == "facts" {
            std::fs::write(home.path().join("facts.yaml"), text(&line["facts_yaml"])).unwrap();
            let classes = list(&line["classes"]).join("\n");
            std::fs::write(home.path().join("classes"), classes).unwrap();
            let agents = list(&line["agents"]).join(",");
            host = ["--facts", "facts.yaml", "--classes", "classes", "--agents", &agents]
                .map(str::to_owned)
                .to_vec();
            host.extend(["--identity".to_owned(), text(&line["identity"])]);
            continue;
        }
        let args = list(&line["args"]);
        let mut command = mco(home.path());
        let output = command.args(["filter", "check"]).args(&args).args(&host).output().unwrap();
        let got = match output.status.code() {
            Some(0) => Value::from(true),
            Some(1) => false.into(),
            Some(64) => "error".into(),
            other => panic!("{args:?}: {other:?}"),
        };
        rows += 1;
        if got != line["want"] {
            wrong.push(format!("{args:?}: {got}, {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows, 298);
}

#[test]
fn some_of_the_nodes() {
    let lab = Lab::up(6);
    let write = |name: &str, text: &str| std::fs::write(lab.home().join(name), text).unwrap();
    write("list", "web[1-2].example.com # two\nnosuch.example.com\n");
    write("none", "# nobody\n");
    write("broken", "db1\nweb[1-\n");
    insta::assert_snapshot!(lab.session(&[
        "find -S 'hagroup=c or (operatingsystem=Debian and not hagroup=a)'",
        "find -A package -F operatingsystem=Debian",
        "find -A nosuch",
        "find -T lab -I web[1-2].example.com",
        "find -T prod",
        "find --nodes list",
        "find --nodes list --json -F hagroup=a",
        "find -I web[1-300].example.com",
        "find --nodes none",
        "find --nodes none --json",
        "find --nodes -",
        "find --nodes broken",
        "find --limit 50% -I /example/",
        "find --one -I /example/",
        "find --limit 2 --limit-seed 7",
        "ping --limit 2 -I /example/",
        "ping --one --limit-seed 7 -I /example/",
        "ping --nodes list",
        "ping --nodes list -F hagroup=a",
        "ping --nodes list -I web1.example.com",
        "ping --nodes list --limit 100%",
        "ping -I web[1-300].example.com -F hagroup=c",
        "ping -I web[1-300].example.com -I /db/",
        "ping --nodes none --json",
        "service nginx restart --nodes - --yes",
        "service nginx restart --limit 1 -I /web/ --yes",
        "service nginx restart -S 'hagroup=d and x' --yes",
    ]));
}

/// The list of a `while read` loop is its own: only `--nodes -` reads standard input.
#[test]
fn standard_input_is_read_when_it_is_asked_for() {
    let lab = Lab::up(2);
    let run = |words: &str| {
        let mut command = lab.mco(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It need not be read.
        let _ = child.stdin.take().unwrap().write_all(b"web1.example.com\n");
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(run("find --nodes -"), "web1.example.com\n");
    assert_eq!(run("find").lines().count(), 3);
}

/// No registration has facts that change all the time, so that the nodes themselves are asked.
#[test]
fn facts_that_change_all_the_time() {
    let lab = Lab::up(3);
    for (node, uptime) in [("web1", "864000.0 1"), ("web2", "60.0 1")] {
        let proc = lab.home().join(format!("lab/nodes/{node}.example.com/root/proc"));
        std::fs::create_dir_all(&proc).unwrap();
        std::fs::write(proc.join("uptime"), uptime).unwrap();
    }
    insta::assert_snapshot!(lab.session(&[
        "find -F uptime_days=10 -I /example/",
        "find -F uptime_days=10 -I /example/ --json",
        "find -S 'uptime_days<1 and hagroup=b' -I /example/",
        "find -F uptime_days=11 -I /example/",
        "ping -F uptime_days=10 -I /example/",
        "ping -F uptime_days=11 -I /example/",
        "service nginx restart -F uptime_days=10 -I /example/ --yes",
        "service nginx restart -F uptime_days=11 -I /example/ --yes",
    ]));
}
