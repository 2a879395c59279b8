//! The pure core of the hub: no I/O, no clock, no randomness.

mod event;

pub use event::{Effect, Event, Refused, Said, Setup};
