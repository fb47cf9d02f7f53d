//! Root-mean-square normalisation (Zhang and Sennrich 2019): `x / sqrt(mean(x^2) + eps) * weight`.
//!
//! A row is a token's whole activation or, as in Qwen 3, one head of q or k; the arithmetic is the same.

pub mod cpu;
#[cfg(test)]
mod tests;
