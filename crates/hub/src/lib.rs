//! The registry of a fleet, a client of the broker.
