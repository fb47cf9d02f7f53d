//! Elementwise product.

pub mod cpu;
