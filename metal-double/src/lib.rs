//! A test double of Metal for Linux.

pub mod msl;
