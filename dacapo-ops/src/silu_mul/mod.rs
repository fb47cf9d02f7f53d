//! The gated unit of llama-like feed-forward layers: `silu(gate) * up` (Shazeer 2020, "GLU Variants
//! Improve Transformer", SwiGLU).

pub mod cpu;
#[cfg(test)]
mod tests;
