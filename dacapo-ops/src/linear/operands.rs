//! What products take beside their weights.

use crate::gelu_mul;
use crate::tensor::Tensor;

/// What happens to a product before it is written.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Nothing.
    None,
    /// This F32 vector, one element for each output column, is added to every row.
    Bias(&'a Tensor),
    /// It is added to what `out` holds, such as a residual stream.
    Accumulate,
}

/// One of several products of the same activations.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// The weights, `[rows, cols]`.
    pub w: &'a Tensor,
    /// What happens to the product before it is written.
    pub epilogue: Epilogue<'a>,
    /// Where it is written, `[tokens, rows]`.
    pub out: &'a Tensor,
}

/// The activations of products, and what happens to them before they are multiplied.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// F32 `[tokens, cols]`.
    pub x: &'a Tensor,
    /// The norm that each row goes through first, if any.
    pub norm: Option<Norm<'a>>,
}

/// A root-mean-square norm: `x / sqrt(mean(x^2) + eps) * weight`.
///
/// Inside a product it holds for rows whose squares add up to less than 2^127, and whose mean of squares is at least
/// 2^-100, or which are 0; [`RmsNorm`](crate::rms_norm::RmsNorm) has no such bounds.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// F32 `[cols]`.
    pub weight: &'a Tensor,
    /// Not negative.
    pub eps: f32,
}

/// What a gate goes through before it multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// As [`SiluMul`](crate::silu_mul::SiluMul) has it.
    Silu,
    /// As [`GeluMul`](crate::gelu_mul::GeluMul) has it.
    Gelu(gelu_mul::Form),
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(x: &'a Tensor) -> Input<'a> {
        Input { x, norm: None }
    }
}
