//! The files that the page shows are read by the programs themselves, and its tables are true.

use marcato::config::{AGENTS, ClientConfig, FleetConfig};
use marcato_core::config::{self, Key};
use marcato_hub::shell::HubConfig;
use marcato_node::core::policy::Policy;
use marcato_node::shell::NodeConfig;
use marcato_protocol::allowed_signers::AllowedSigners;

use super::pages::files;

/// The example under a heading.
fn example(heading: &str) -> String {
    let page = files();
    let (_, below) = page.split_once(&format!("\n## `{heading}`\n")).unwrap();
    let (_, example) = below.split_once("\n```").unwrap();
    let (_, example) = example.split_once('\n').unwrap();
    example.split_once("```").unwrap().0.to_owned()
}

/// Each key stands in the example, and exactly those must be there that have no default.
fn check(example: &str, keys: &[Key], is_read: impl Fn(&str) -> bool) {
    assert!(is_read(example), "{example}");
    for key in keys {
        let is_key = |line: &&str| line.starts_with(&format!("{} = ", key.name));
        let line = example.lines().find(is_key).unwrap_or_else(|| panic!("no {}", key.name));
        let without = example.replace(line, "");
        assert_eq!(is_read(&without), key.default.is_some(), "without {}", key.name);
    }
}

#[test]
fn the_files_on_the_page_are_whole_and_its_tables_true() {
    check(&example("node.toml"), NodeConfig::KEYS, |text| NodeConfig::parse("page", text).is_ok());
    check(&example("hub.toml"), HubConfig::KEYS, |text| HubConfig::parse("page", text).is_ok());
    let fleet = |text: &str| config::parse::<ClientConfig>("page", text).is_ok();
    check(&example("client.toml"), FleetConfig::KEYS, fleet);
    assert!(ClientConfig::KEYS.iter().all(|key| key.default.is_some()) && fleet(""));
}

#[test]
fn defaults_are_what_the_programs_take() {
    let shown = |keys: &[Key], name: &str| {
        let key = keys.iter().find(|key| key.name == name).unwrap();
        key.default.unwrap().trim_matches('`').to_owned()
    };
    let minimal = |keys: &[Key], heading: &str| {
        let is_needed = |line: &&str| {
            keys.iter().any(|key| key.default.is_none() && line.starts_with(key.name))
        };
        let example = example(heading);
        example.lines().filter(is_needed).collect::<Vec<_>>().join("\n")
    };
    let node: NodeConfig = config::parse("page", &minimal(NodeConfig::KEYS, "node.toml")).unwrap();
    assert_eq!(node.agents_dir.display().to_string(), shown(NodeConfig::KEYS, "agents_dir"));
    assert_eq!(node.read_only.to_string(), shown(NodeConfig::KEYS, "read_only"));
    let hub: HubConfig = config::parse("page", &minimal(HubConfig::KEYS, "hub.toml")).unwrap();
    assert_eq!(hub.listen.to_string(), shown(HubConfig::KEYS, "listen"));
    assert_eq!(AGENTS, shown(ClientConfig::KEYS, "agents"));
}

#[test]
fn the_rules_on_the_page_are_rules() {
    let rules = example("policy.d/*.policy");
    assert_eq!(Policy::parse(&[("page".to_owned(), rules)]).unwrap().len(), 2);
    AllowedSigners::parse(&example("allowed_signers"), "page").unwrap();
}
