//! The gated unit of Gemma-like feed-forward layers: `gelu(gate) * up` (Hendrycks and Gimpel 2016; GeGLU
//! in Shazeer 2020).

pub mod cpu;
#[cfg(test)]
mod tests;
