//! Whom an order goes to next, and when to stop.
//!
//! The order is signed once, for all of its nodes, and sent to one after another. A [`Pace`] is what an
//! operator asks for, a [`Plan`] what follows from it for one order; the [`Turns`] decide, and a
//! [`Rollout`] has a client's job do what they decide. Pure, as the job is.

mod plan;
mod rollout;
mod turns;

pub use plan::{Pace, Plan};
pub use rollout::Rollout;
pub use turns::{Effect, Event, Turns};
