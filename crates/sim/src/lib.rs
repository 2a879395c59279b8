//! A fleet in one process: virtual time, one seed, faults, checkers.
