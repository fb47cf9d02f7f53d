//! Tensors and transformer kernels on the dacapo runtime.

pub mod dtype;
mod error;
pub mod matvec;
pub mod quant;
pub mod simd;
#[cfg(test)]
mod testing;

pub use error::Error;
