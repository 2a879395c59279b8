//! The flags that say how an order goes over its nodes.

use clap::Args;
use marcato_client::core::Limit;
use marcato_core::Span;

use super::flags::span;

/// How the order goes over its nodes: to all at once, or to so many at a time.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The order")]
pub struct PaceArgs {
    /// So many nodes at a time, or such a part, rounded up; a change stops where it goes wrong
    #[arg(long, value_name = "N|N%")]
    pub batch: Option<Limit>,
    /// Seconds that each place of a batch rests after a node [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = rest, requires = "batch", allow_negative_numbers = true)]
    pub batch_sleep: Option<Span>,
    /// Do not stop a batch where it goes wrong
    #[arg(long, requires = "batch")]
    pub keep_going: bool,
    /// So many nodes at a time, the next once one has ended [default: 200 to change packages]
    #[arg(long, value_name = "N", value_parser = nodes)]
    pub parallel: Option<usize>,
}

impl PaceArgs {
    /// Whether any way is asked for but to all at once: then the order must name its nodes.
    pub const fn is_given(&self) -> bool {
        self.batch.is_some() || self.parallel.is_some()
    }
}

fn rest(text: &str) -> Result<Span, String> {
    span(text, 0.0)
        .ok_or_else(|| "write whole or decimal seconds from 0 to 86400, such as 30".to_owned())
}

fn nodes(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "write a number of nodes from 1 on".to_owned())
}
