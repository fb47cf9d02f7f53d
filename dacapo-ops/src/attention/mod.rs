//! Causal attention with grouped queries over a ring of keys and values.

mod cpu;
#[cfg(test)]
mod tests;
mod tile;
