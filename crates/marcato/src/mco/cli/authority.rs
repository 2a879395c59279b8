//! `mco authority`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use marcato_core::Identity;

/// `mco authority …`
#[derive(Debug, Args)]
pub struct Authority {
    /// What the authority shall do.
    #[command(subcommand)]
    pub command: AuthorityCommand,
}

/// What the fleet's authority does.
#[derive(Debug, Subcommand)]
pub enum AuthorityCommand {
    /// Read a node's request on standard input, write its certificate to standard output
    #[command(
        after_help = "Example:\n  ssh web1 mcod node --print-request | mco authority sign-node --key authority \
        | ssh web1 mcod node --install-certificate -"
    )]
    SignNode {
        /// The authority's private SSH key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Sign only if the request is for this name
        #[arg(long, value_name = "NAME")]
        identity: Option<Identity>,
    },
}
