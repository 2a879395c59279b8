//! The pages in Markdown.

use std::fmt::Write as _;

use clap::Command;
use marcato::config::{ClientConfig, FleetConfig};
use marcato::environment;
use marcato_core::config::Key;
use marcato_hub::shell::HubConfig;
use marcato_node::shell::NodeConfig;

use super::Page;

const GENERATED: &str = "Generated; do not edit. To write it anew: \
`MARCATO_WRITE_PAGES=1 cargo test -p marcato --test reference`.\n";

const MCO: &str = "
A flag beats an [environment variable](environment.md), which beats the
[file](configuration.md). What the exit codes mean is in [outcomes.md](outcomes.md), how filters are
written in [filters.md](filters.md).
";

const MCOD: &str = "
Its [files](configuration.md) are read at the start and at SIGHUP; what is wrong in one is said with
its line, and `--check` says it beforehand. A daemon logs to standard error, times in UTC, and ends
in order at SIGTERM.
";

const CLIENT: &str = "
`~/.config/marcato/client.toml`, or the file that `--config` or `MARCATO_CONFIG` names. Names of files
in it may begin with `~/`; relative ones begin at the file's own folder.
";

const FLEETS: &str = "
### `[fleets.NAME]`

";

const CLIENT_EXAMPLE: &str = "
```toml
[fleets.prod]
broker = \"nats://127.0.0.1:4222\"
authority = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"
caller = \"ops@example.com\"
key = \"~/.ssh/id_ed25519\"
```
";

const NODE: &str = "
In `/etc/marcato` of each managed host, or the folder that `mcod node --config` names.
";

const NODE_EXAMPLE: &str = "
```toml
collective = \"prod\"
broker = [\"nats://127.0.0.1:4222\"]
authority = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"
identity = \"web1.example.com\"
read_only = false
agents_dir = \"/usr/share/marcato/agents\"
facts = [\"/etc/marcato/facts.yaml\", \"/etc/marcato/roles.json\"]
facts_d = \"/etc/facter/facts.d\"
facter = true
private_facts = [\"serialnumber\", \"cost.center\", \"ssh*\"]
classes = \"/etc/marcato/classes.txt\"
```
";

const RULES: &str = "
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

The agent `job`, which says how far an order is and cancels what of it has not begun, needs no rule
for whoever signed that order himself; a rule lets others: `allow callers=alice agents=job actions=*`.
`mco can AGENT.ACTION` says by which rule its asker may; it takes none.

```text
# The people on call may restart services; everybody may look.
allow callers=ops@example.com,alice agents=service actions=restart
allow callers=* agents=* actions=* effect=read
```
";

const HUB: &str = "
In `/etc/marcato` of the hub, or the folder that `mcod hub --config` names.
";

const HUB_EXAMPLE: &str = "
```toml
collective = \"prod\"
authority = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"
listen = \"127.0.0.1:4222\"
insecure_plaintext_on = \"10.0.0.1\"
broker = [\"nats://127.0.0.1:4222\"]
```
";

/// All of them.
pub fn all() -> Vec<Page> {
    vec![
        ("reference/mco.md".into(), program(MCO, super::mco())),
        ("reference/mcod.md".into(), program(MCOD, super::mcod())),
        ("reference/configuration.md".into(), format!("# Files\n\n{GENERATED}{}", files())),
        ("reference/environment.md".into(), environment()),
    ]
}

fn program(introduction: &str, mut command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut page = format!("# `{name}`\n\n{GENERATED}{introduction}");
    describe(&mut command, &name, &mut page);
    page
}

fn describe(command: &mut Command, path: &str, page: &mut String) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## `{path}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    for inner in command.get_subcommands_mut().filter(|inner| !inner.is_hide_set()) {
        let path = format!("{path} {}", inner.get_name());
        describe(inner, &path, page);
    }
}

/// The files of both programs, each under a heading of its own.
pub fn files() -> String {
    [
        "\n## `client.toml`\n",
        CLIENT,
        "\n",
        &table(ClientConfig::KEYS),
        FLEETS,
        &table(FleetConfig::KEYS),
        CLIENT_EXAMPLE,
        "\n## `node.toml`\n",
        NODE,
        "\n",
        &table(NodeConfig::KEYS),
        NODE_EXAMPLE,
        RULES,
        "\n## `hub.toml`\n",
        HUB,
        "\n",
        &table(HubConfig::KEYS),
        HUB_EXAMPLE,
    ]
    .concat()
}

fn table(keys: &[Key]) -> String {
    let mut text = "| key | value | without it | |\n| --- | --- | --- | --- |\n".to_owned();
    for Key { name, kind, default, meaning } in keys {
        let default = default.unwrap_or("(required)");
        let _ = writeln!(text, "| `{name}` | {kind} | {default} | {meaning} |");
    }
    text
}

fn environment() -> String {
    let mut text = format!("# Environment variables\n\n{GENERATED}\n");
    text.push_str("| variable | program | beaten by | |\n| --- | --- | --- | --- |\n");
    for variable in environment::ALL {
        let flag = variable.flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
        let environment::Variable { name, programs, meaning, .. } = variable;
        let _ = writeln!(text, "| `{name}` | `{programs}` | {flag} | {meaning} |");
    }
    text
}
