//! `docs/reference/mco.md` says what `mco --help` says: each flag is declared once, in the grammar.
//! With `MARCATO_WRITE_PAGES=1` in its environment the test writes the page anew.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};

const INTRODUCTION: &str = "# `mco`

Generated from the grammar of the command line; do not edit. To write it anew:
`MARCATO_WRITE_PAGES=1 cargo test -p marcato --test reference`.

A flag beats an environment variable, which beats the file. What the exit codes mean is in
[outcomes.md](outcomes.md).

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
authority = \"ssh-ed25519 AAAA…\"
caller = \"ops@example.com\"
key = \"~/.ssh/id_ed25519\"
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

#[test]
fn the_page_says_what_help_says() {
    let mut command = marcato::mco::cli::Cli::command();
    command.build();
    let mut page = INTRODUCTION.to_owned();
    describe(&mut command, "mco", &mut page);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/mco.md");
    if std::env::var_os("MARCATO_WRITE_PAGES").is_some() {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == page, "stale: MARCATO_WRITE_PAGES=1 cargo test -p marcato --test reference");
}
