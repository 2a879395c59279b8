//! The contract between a node and its agents, and the host of external ones.
