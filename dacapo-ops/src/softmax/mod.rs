//! Probabilities from logits, row by row.

pub mod cpu;
#[cfg(test)]
mod tests;
