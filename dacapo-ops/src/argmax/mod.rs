//! The index of the greatest logit.

pub(crate) mod cpu;
