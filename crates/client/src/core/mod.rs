//! The pure core of the client: no I/O, no clock, no randomness of its own.
//!
//! Both machines, [`Inquiry`] and [`Job`], take an [`Event`] with the time and answer with
//! [`Effect`]s. Times are the client's own; those of nodes are only ever shown or compared.

mod check;
mod coverage;
mod directory;
mod event;
mod inquiry;
mod job;
mod limit;
mod report;
mod selection;
mod standing;
mod task;

pub use check::{Checked, Checker};
pub use coverage::{Coverage, UnknownName};
pub use directory::{Directory, DirectoryError, KeyChanged, KnownNode};
pub use event::{Effect, Event, Machine};
pub use inquiry::{Inquiry, InquirySetup, Outcome, Purpose};
pub use job::{Job, JobSetup, Waiting};
pub use limit::{Limit, LimitError, Pick};
pub use report::{Counts, NodeReport, Refusal, RefusedWhy, Report, Skew, Stopped};
pub use selection::{Chosen, LeftOut, Selection, Wish};
pub use standing::{Earlier, Overheard, Standing};
pub use task::{Aim, Task, TaskError};
