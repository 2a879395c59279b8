//! Names, limits, times, values, DDL, end states and reason codes.
