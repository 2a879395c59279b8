//! What an agent declares of itself.
