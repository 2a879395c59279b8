//! The declaration of an agent that ships with the program.

use std::sync::{Arc, OnceLock};

use marcato_core::ddl::{Ddl, DdlError};

/// A declaration in the program itself. It is parsed once, however many nodes a process has.
#[derive(Debug)]
pub struct Shipped {
    text: &'static [u8],
    parsed: OnceLock<Result<Arc<Ddl>, DdlError>>,
}

impl Shipped {
    /// The declaration with this text.
    #[must_use]
    pub const fn new(text: &'static [u8]) -> Self {
        Self { text, parsed: OnceLock::new() }
    }

    /// What it declares.
    ///
    /// # Errors
    /// It is wrong, which its test rules out.
    pub fn ddl(&self) -> Result<Arc<Ddl>, DdlError> {
        self.parsed.get_or_init(|| Ddl::parse(self.text).map(Arc::new)).clone()
    }
}
