//! Rotary position embedding (Su et al. 2021, "RoFormer").
//!
//! # Angles
//! A rotation at position p needs `p * frequency` modulo a full turn. In f32 that product is off by
//! 0.008 rad at position 131072. So frequencies are kept as fixed-point fractions of a turn, in units of
//! 2^-64, made in f64: the integer product with a position wraps at whole turns by itself, its upper 32
//! bits are the angle within 2e-9 rad at any position, and a GPU without f64 computes the same bits.

mod cpu;
mod frequencies;
#[cfg(test)]
mod tests;

pub use frequencies::{Config, Llama3, Scaling, frequencies};

/// Which two elements of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// 2i and 2i + 1: the paper's, and GGUF's for the llama architecture.
    Pairs,
    /// i and i + dims/2: Hugging Face's `rotate_half`, GPT-NeoX's, Qwen's.
    Halves,
}
