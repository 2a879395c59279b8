//! `docs/reference/mco.md` and `mcod.md` say what `--help` says: each flag is declared once, in the
//! grammar. The files that they show are read by the programs themselves.
//! With `MARCATO_WRITE_PAGES=1` in its environment the test writes the pages anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use marcato::config::{ClientConfig, FleetConfig};
use marcato_core::config;
use marcato_hub::shell::HubConfig;
use marcato_node::core::policy::Policy;
use marcato_node::shell::NodeConfig;
use marcato_protocol::allowed_signers::AllowedSigners;

const MCO: &str = "# `mco`

Generated from the grammar of the command line; do not edit. To write it anew:
`MARCATO_WRITE_PAGES=1 cargo test -p marcato --test reference`.

A flag beats an environment variable, which beats the file. What the exit codes mean is in
[outcomes.md](outcomes.md), how filters are written in [filters.md](filters.md).

## `client.toml`

`~/.config/marcato/client.toml`, or the file that `--config` or `MARCATO_CONFIG` names. Names of files
in it may begin with `~/`; relative ones begin at the file's own folder.

| key | default | |
| --- | --- | --- |
| `state` | `~/.local/state/marcato` | where `known_nodes.FLEET` and the last 200 results are kept |
| `agents` | `/usr/share/marcato/agents` | declarations (`NAME.json`) of agents that do not ship with Marcato |
| `[fleets.NAME]` | | one table for each fleet; a single one is the default |
| `broker` | | `nats://HOST:PORT`; `MARCATO_BROKER` and `--broker` beat it |
| `authority` | | the public key of the fleet's authority, as a line of OpenSSH's form |
| `caller` | | the name under which you sign, as the nodes' `allowed_signers` has it |
| `key` | the only key in the ssh-agent | your private key's file, or the fingerprint (`SHA256:…`) of a key in the agent |

```toml
[fleets.prod]
broker = \"nats://127.0.0.1:4222\"
authority = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"
caller = \"ops@example.com\"
key = \"~/.ssh/id_ed25519\"
```
";

const MCOD: &str = "# `mcod`

Generated from the grammar of the command line; do not edit. To write it anew:
`MARCATO_WRITE_PAGES=1 cargo test -p marcato --test reference`.

Files are read at the start and at SIGHUP; what is wrong in one is said with its line, and
`--check` says it beforehand. A daemon logs to standard error, times in UTC, and ends in order at
SIGTERM.

## `node.toml`

In `/etc/marcato`, or the folder that `--config` names.

| key | default | |
| --- | --- | --- |
| `collective` | | the fleet's name; orders of another one are rejected |
| `broker` | | `nats://HOST:PORT`, or a list of them, tried in turn |
| `authority` | | the public key of the fleet's authority, as a line of OpenSSH's form |
| `identity` | the host's full name at the first start | the node's name |
| `read_only` | `false` | whether changes are refused |
| `agents_dir` | `/usr/share/marcato/agents` | external agents: an executable and its declaration `NAME.json` each |
| `facts` | `facts.yaml` beside it, where there is one | facts, as YAML or JSON; a file that is named must exist |
| `classes` | | a file with a class on each line |

```toml
collective = \"prod\"
broker = [\"nats://127.0.0.1:4222\"]
authority = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"
identity = \"web1.example.com\"
read_only = false
agents_dir = \"/usr/share/marcato/agents\"
facts = \"/etc/marcato/facts.yaml\"
classes = \"/etc/marcato/classes.txt\"
```

## `allowed_signers`

Who may sign orders, beside `node.toml`, in the format of ssh-keygen(1), `ALLOWED SIGNERS`: one
principal and one plain key on each line. Lines with `cert-authority`, FIDO keys, wildcards, or
times without `Z` are refused by line; then nobody may sign until the file is mended.

```text
ops@example.com namespaces=\"order.v1@marcato\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ
```

## `policy.d/*.policy`

What they may do: one rule on each line, files in the order of their names. The first rule that
matches decides; what no rule matches is denied. A rule is `allow` or `deny` and three lists with
commas and no blanks: `callers=`, `agents=`, `actions=` (`*` is any), and `effect=read` or
`effect=change` where it is to hold for one of them alone. `#` begins a comment.

```text
# The people on call may restart services; everybody may look.
allow callers=ops@example.com,alice agents=service actions=restart
allow callers=* agents=* actions=* effect=read
```

## `hub.toml`

In `/etc/marcato`, or the folder that `--config` names.

| key | default | |
| --- | --- | --- |
| `collective` | | the fleet's name |
| `authority` | | the public key of the fleet's authority, as a line of OpenSSH's form |
| `listen` | `127.0.0.1:4222` | where the broker in this process listens; port 0 is a free one |
| `insecure_plaintext_on` | | beyond loopback the broker listens only where this repeats the address, for nothing on the wire is protected |
| `broker` | | NATS servers elsewhere to attach to, one or a list; then no broker runs in this process |

```toml
collective = \"prod\"
authority = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"
listen = \"127.0.0.1:4222\"
insecure_plaintext_on = \"10.0.0.1\"
broker = [\"nats://127.0.0.1:4222\"]
```
";

fn describe(command: &mut Command, path: &str, page: &mut String) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## `{path}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    for inner in command.get_subcommands_mut().filter(|inner| !inner.is_hide_set()) {
        let path = format!("{path} {}", inner.get_name());
        describe(inner, &path, page);
    }
}

fn check(introduction: &str, mut command: Command) {
    command.build();
    let name = command.get_name().to_owned();
    let mut page = introduction.to_owned();
    describe(&mut command, &name, &mut page);
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let file = pages.join(format!("{name}.md"));
    if std::env::var_os("MARCATO_WRITE_PAGES").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == page, "stale: MARCATO_WRITE_PAGES=1 cargo test -p marcato --test reference");
}

#[test]
fn the_pages_say_what_help_says() {
    check(MCO, marcato::mco::cli::Cli::command());
    check(MCOD, marcato::mcod::cli::Cli::command());
}

/// The example under a heading.
fn example<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, below) = page.split_once(&format!("\n## `{heading}`\n")).unwrap();
    let (_, example) = below.split_once("\n```").unwrap();
    let (_, example) = example.split_once('\n').unwrap();
    example.split_once("```").unwrap().0
}

/// Whether the table under a heading has these keys, and no other.
fn keys(page: &str, heading: &str, keys: &[&str]) {
    let (_, below) = page.split_once(&format!("\n## `{heading}`\n")).unwrap();
    let below = below.split("\n## ").next().unwrap();
    let rows = below.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    assert_eq!(rows.map(|(key, _)| key).collect::<Vec<_>>(), keys, "{heading}");
}

#[test]
fn the_files_on_the_pages_are_whole() {
    // Taken apart by name: a key that is added wants its row.
    let NodeConfig {
        collective: _,
        broker: _,
        authority: _,
        identity,
        read_only: _,
        agents_dir: _,
        facts,
        classes,
    } = NodeConfig::parse("node.toml", example(MCOD, "node.toml")).unwrap();
    assert!(identity.is_some() && facts.is_some() && classes.is_some());
    let node = ["collective", "broker", "authority", "identity", "read_only", "agents_dir"];
    keys(MCOD, "node.toml", &[&node[..], &["facts", "classes"]].concat());

    let HubConfig { collective: _, authority: _, listen: _, insecure_plaintext_on, broker } =
        HubConfig::parse("hub.toml", example(MCOD, "hub.toml")).unwrap();
    assert!(insecure_plaintext_on.is_some() && !broker.is_empty());
    let hub = ["collective", "authority", "listen", "insecure_plaintext_on", "broker"];
    keys(MCOD, "hub.toml", &hub);

    let ClientConfig { state: _, agents: _, fleets } =
        config::parse("client.toml", example(MCO, "client.toml")).unwrap();
    let FleetConfig { broker: _, authority: _, caller: _, key } = &fleets[&"prod".parse().unwrap()];
    assert!(key.is_some());
    let client = ["state", "agents", "[fleets.NAME]", "broker", "authority", "caller", "key"];
    keys(MCO, "client.toml", &client);

    let rules = example(MCOD, "policy.d/*.policy").to_owned();
    assert_eq!(Policy::parse(&[("page".to_owned(), rules)]).unwrap().len(), 2);
    let signers = example(MCOD, "allowed_signers");
    AllowedSigners::parse(signers, "page").unwrap();
}
