//! The filter language: which nodes an order means.
//!
//! Terms are typed on a command line ([`from_flags`]), travel in a signed order exactly as typed
//! ([`marcato_core::Terms`]), and are parsed and evaluated both where they are typed and on every
//! node ([`Filter`]). The language is MCollective's, with its known faults mended: numbers compare
//! as numbers, `!=` is the opposite of `=`, an empty term is refused.
//!
//! ```
//! use marcato_core::{Facts, Terms};
//! use marcato_filter::{Filter, Host};
//!
//! let terms = Terms { facts: vec!["operatingsystemrelease<10".into()], ..Terms::default() };
//! let filter = Filter::parse(&terms).unwrap();
//! let facts = Facts::from([("operatingsystemrelease".into(), "8.5".into())]);
//! let identity = "web1.example.com".parse().unwrap();
//! assert!(filter.matches(&Host { identity: &identity, facts: &facts, classes: &[], agents: &[] }));
//! ```
//!
//! Nothing here does I/O. Time is linear in term and value, memory is bounded by
//! [`marcato_core::limits::filter`]: terms come from others.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod compare;
mod error;
mod expression;
mod filter;
mod flags;
mod operator;
mod path;
mod pattern;
pub mod suggest;
mod syntax;
mod term;
mod unfold;
mod value;
mod words;

pub use error::{Fault, FilterError, Opened, TermKind};
pub use filter::{Filter, Host};
pub use flags::{flags_have_values, from_flags};
pub use path::look_up;
pub use unfold::{FoldFault, UnfoldError, is_folded, unfold};
pub use value::float_text;
pub use words::Line;
