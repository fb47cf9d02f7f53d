//! Tensors and transformer kernels on the dacapo runtime.

pub mod dtype;
pub mod simd;
pub mod tensor;
