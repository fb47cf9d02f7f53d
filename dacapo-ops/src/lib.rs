//! Tensors and transformer kernels on the dacapo runtime.

mod check;
pub mod dtype;
pub mod embed;
mod error;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod quant;
pub mod simd;
pub mod tensor;
#[cfg(test)]
mod testing;

pub use error::{Error, Result};
