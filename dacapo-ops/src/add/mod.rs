//! Elementwise sum: the residual connection.

pub mod cpu;
