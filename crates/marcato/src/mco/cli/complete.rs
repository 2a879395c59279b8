//! `mco completion`, and what its scripts ask `mco` on each press of the key.

use clap::{Args, ValueEnum};

/// `mco completion SHELL`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    mco completion bash > /etc/bash_completion.d/mco\n  \
    mco completion zsh > /usr/local/share/zsh/site-functions/_mco\n  \
    mco completion fish > ~/.config/fish/completions/mco.fish")]
pub struct Completion {
    /// The shell
    pub shell: Shell,
}

/// The shells that completion is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash 4.4 or newer
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// `mco __complete -- WORDS`
#[derive(Debug, Args)]
pub struct Complete {
    /// The words are bash's, which divides them at = and : too
    #[arg(long)]
    pub bash: bool,
    /// The words up to the cursor, mco itself the first
    #[arg(last = true)]
    pub words: Vec<String>,
}
