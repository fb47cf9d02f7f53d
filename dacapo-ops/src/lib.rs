//! Tensors and transformer kernels on the dacapo runtime.
//!
//! A [`Tensor`](tensor::Tensor) is a typed, shaped view of device memory. Each operation is a folder with its host
//! side, which checks tensors and encodes a dispatch, and its kernels. [`Ops`] compiles them all for a device.

pub mod add;
pub mod advance;
pub mod argmax;
pub mod attention;
mod check;
pub mod dtype;
mod elementwise;
pub mod embed;
mod error;
pub mod gelu_mul;
pub mod kv_append;
mod launch;
mod lazy;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod mul;
mod ops;
pub mod quant;
pub mod rms_norm;
pub mod rope;
pub mod rope_append;
mod rows;
pub mod sample;
pub mod scale;
pub mod silu_mul;
pub mod simd;
pub mod softcap;
pub mod softmax;
pub mod tensor;
mod text;
pub mod top_k;
pub mod tuning;
mod vector;
mod work;

#[cfg(test)]
mod fusing;
#[cfg(test)]
mod msl;
#[cfg(test)]
mod msl_tests;
#[cfg(test)]
mod offset_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod testing;

pub use error::{Error, Result};
pub use ops::Ops;
pub use tuning::Tuning;
