//! Tensors and transformer kernels on the dacapo runtime.

pub mod add;
pub mod advance;
pub mod argmax;
pub mod attention;
pub mod dtype;
pub mod gelu_mul;
pub mod kv_append;
pub mod mul;
pub mod rms_norm;
pub mod rope;
pub mod sample;
pub mod scale;
pub mod silu_mul;
pub mod simd;
pub mod softcap;
pub mod softmax;
pub mod tensor;
pub mod top_k;
mod vector;

#[cfg(test)]
mod reference;
