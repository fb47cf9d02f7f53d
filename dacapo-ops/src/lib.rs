//! Tensors and transformer kernels on the dacapo runtime.

pub mod dtype;
mod error;
pub mod quant;
pub mod simd;

pub use error::Error;
