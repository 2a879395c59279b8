//! `mco schema`: the forms of `--json`, for those who write the programs that read them.

use std::io::{self, Write as _};

use marcato_core::Exit;

use super::cli::Schema;
use crate::words::schema;

/// Prints a schema.
pub fn main(args: &Schema) -> Exit {
    // Whoever closes the pipe has enough.
    let _ = writeln!(io::stdout(), "{:#}", schema::of(args.form));
    Exit::Ok
}
