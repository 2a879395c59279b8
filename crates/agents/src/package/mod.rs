//! The agent `package`: what is installed, and how that is changed.

mod apt;
mod change;
mod dpkg;
mod look;
mod packages;
mod plan;
mod version;

use std::sync::Arc;

use marcato_agent::{Agent, BoxFuture, Call, Outcome, Shipped};
use marcato_core::ddl::{Ddl, DdlError};

pub use apt::Apt;
pub(crate) use apt::{at_work, short};
pub use dpkg::{Dpkg, Index};
pub use packages::{
    Done, Found, Holder, Lists, Lock, Offer, Packages, Rehearsal, State, Step, Target, Trouble,
    Verb, Which, Work,
};
pub(crate) use plan::nearest;
pub(crate) use version::compare;

/// Its declaration.
pub static DDL: Shipped = Shipped::new(include_bytes!("../../ddl/package.json"));

/// The agent.
pub struct Package {
    ddl: Arc<Ddl>,
    packages: Arc<dyn Packages>,
}

impl Package {
    /// The agent over a package manager.
    ///
    /// # Errors
    /// Its declaration is wrong, which its tests rule out.
    pub fn new(packages: Arc<dyn Packages>) -> Result<Self, DdlError> {
        Ok(Self { ddl: DDL.ddl()?, packages })
    }

    async fn answer(&self, call: &Call) -> Outcome {
        let packages = &*self.packages;
        match call.action.as_str() {
            "status" => look::status(packages, crate::text(call, "package")),
            "count" => look::count(packages),
            "search" => look::search(packages, crate::text(call, "query")).await,
            "checkupdates" => look::outdated(packages).await,
            _ => change::Change::new(packages, call).run().await,
        }
    }
}

impl Agent for Package {
    fn ddl(&self) -> &Arc<Ddl> {
        &self.ddl
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        Box::pin(self.answer(call))
    }
}
