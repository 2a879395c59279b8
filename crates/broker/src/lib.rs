//! The embedded broker: a server of the NATS client protocol.
