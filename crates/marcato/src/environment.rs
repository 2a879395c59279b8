//! The environment variables that the programs heed, each declared here once.

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The flag that beats it, where there is one.
    pub flag: Option<&'static str>,
    /// Which programs heed it.
    pub programs: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

const fn of(
    name: &'static str,
    flag: Option<&'static str>,
    programs: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, flag, programs, meaning }
}

/// Which fleet is meant.
pub const FLEET: Variable =
    of("MARCATO_FLEET", Some("--fleet"), "mco", "The fleet, as the configuration names it.");
/// The client's configuration.
pub const CONFIG: Variable =
    of("MARCATO_CONFIG", Some("--config"), "mco", "The client's configuration file.");
/// The broker.
pub const BROKER: Variable =
    of("MARCATO_BROKER", Some("--broker"), "mco", "The broker, instead of the configured one.");
/// What a daemon logs.
pub const LOG: Variable = of(
    "MARCATO_LOG",
    None,
    "mcod",
    "What is logged to standard error, such as `debug` or `marcato_node=debug`; `info` otherwise.",
);
/// The ssh-agent.
pub const AGENT: Variable = of(
    "SSH_AUTH_SOCK",
    None,
    "mco",
    "The socket of the ssh-agent that holds the operator's key; ssh-agent(1) sets it.",
);
/// The folder of configurations.
pub const CONFIG_HOME: Variable = of(
    "XDG_CONFIG_HOME",
    None,
    "mco",
    "The folder in which `marcato/client.toml` is; `~/.config` otherwise.",
);
/// The folder of states.
pub const STATE_HOME: Variable = of(
    "XDG_STATE_HOME",
    None,
    "mco",
    "The folder in which `marcato/` holds known nodes, results and the lab; `~/.local/state` otherwise.",
);
/// The home directory.
pub const HOME: Variable =
    of("HOME", None, "mco", "The home directory: what `~/` means in the configuration.");

/// All of them, in the order in which pages list them.
pub const ALL: [Variable; 10] = [
    FLEET,
    CONFIG,
    BROKER,
    LOG,
    AGENT,
    CONFIG_HOME,
    STATE_HOME,
    HOME,
    of("NO_COLOR", Some("--color"), "mco", "No colour, whatever its value; it must not be empty."),
    of("TERM", None, "mco", "With `dumb`, no line of progress is drawn over another."),
];
