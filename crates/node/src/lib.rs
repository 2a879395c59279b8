//! The daemon of a managed host: a pure core that decides, a thin shell that acts.
