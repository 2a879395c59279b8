//! The one place that opens a client connection to the fleet's broker.
