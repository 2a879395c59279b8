//! `mco schema`: the forms of `--json`, for those who write the programs that read them.

use marcato_core::Exit;

use super::cli::{OutputArgs, Schema};
use super::console::Console;
use crate::words::schema;

/// Prints a schema.
pub fn main(args: &Schema) -> Exit {
    let mut console = Console::new(&OutputArgs::default());
    console.say(&format!("{:#}", schema::of(args.form)));
    console.end(Exit::Ok)
}
