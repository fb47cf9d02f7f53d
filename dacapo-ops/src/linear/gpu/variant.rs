//! What kernels of products are made for, and what they bind where.

use super::cooperative::Cooperative;
use crate::dtype::DType;
use crate::gelu_mul::Form;
use crate::linear::Activation;
pub(super) use crate::linear::slots::{INPUT, MATRICES, NORM, Put, SLOTS, Slots};

/// What a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    pub(super) dtype: DType,
    /// Activations are read one by one: rows are no whole number of units, or lie where four cannot be loaded at once.
    pub(super) odd: bool,
    /// Activations are normed on the way in.
    pub(super) norm: bool,
    pub(super) way: Way,
    pub(super) job: Job,
    /// The matrix is a part of the rows of one whose whole output is bound.
    pub(super) part: bool,
    /// Turns that every lane takes along its rows, where few tokens meet rows that all lanes have the same share of: a
    /// number that the compiler knows lets it load ahead.
    pub(super) turns: Option<u32>,
}

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    MatVec(Shape),
    MatMul,
    Cooperative(Cooperative),
}

/// How the work of few tokens is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows that a subgroup computes, of each matrix that it goes along.
    pub rows: u32,
    /// Subgroups of a workgroup.
    pub subgroups: u32,
    /// Units of each row that a lane loads before it multiplies.
    pub unroll: u32,
    /// Subgroups that share the columns of their rows; divides `subgroups`.
    pub split: u32,
    /// Tokens.
    pub tokens: u32,
}

/// What becomes of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Job {
    /// Each of up to three matrices has its own output.
    Each([Option<Put>; MATRICES]),
    /// Matrix 0 is the gate of matrix 1; only few tokens.
    Gated(Activation),
    /// The index of the greatest; only few tokens.
    Argmax,
}

/// Slot of the memory through which workgroups that look for the greatest pass each other what they found.
pub(super) const FOUND: u32 = 4;

impl Job {
    /// The operation, of `few` tokens or of many.
    pub(super) fn op(self, few: bool) -> &'static str {
        match (self, few) {
            (Job::Gated(_), _) => "matvec_gate_up",
            (Job::Argmax, _) => "matvec_argmax",
            (Job::Each([_, Some(_), _]), _) => "matvec_each",
            (Job::Each([Some(Put::Add), ..]), true) => "matvec_add",
            (Job::Each([Some(Put::Add), ..]), false) => "matmul_add",
            (Job::Each(_), true) => "matvec",
            (Job::Each(_), false) => "matmul",
        }
    }
}

impl Shape {
    /// That of one token, in workgroups of as many subgroups as share rows.
    pub(super) fn of_token(rows: u32, unroll: u32, split: u32) -> Shape {
        Shape {
            rows,
            subgroups: split,
            unroll,
            split,
            tokens: 1,
        }
    }

    /// Turns of every lane along rows of so many units, if they are the same for all.
    pub(super) fn turns(&self, units: u32, lanes: u32) -> Option<u32> {
        let at_once = lanes * self.split * self.unroll;
        units.is_multiple_of(at_once).then_some(units / at_once)
    }

    /// Rows of each matrix that a workgroup computes.
    pub(super) fn height(&self) -> u32 {
        self.rows * (self.subgroups / self.split)
    }
}

impl Variant {
    /// Matrices that it multiplies.
    pub(super) fn matrices(&self) -> usize {
        match self.job {
            Job::Each(puts) => puts.iter().flatten().count(),
            Job::Gated(_) => 2,
            Job::Argmax => 1,
        }
    }

    pub(super) fn op(&self) -> &'static str {
        self.job.op(matches!(self.way, Way::MatVec(_)))
    }

    pub(super) fn name(&self) -> String {
        let mut name = format!("{}_{}", self.op(), self.dtype.name().to_lowercase());
        match self.job {
            Job::Each(puts) if puts.contains(&Some(Put::Bias)) => name.push_str("_bias"),
            Job::Gated(Activation::Silu) => name.push_str("_silu"),
            Job::Gated(Activation::Gelu(Form::Tanh)) => name.push_str("_gelu_tanh"),
            Job::Gated(Activation::Gelu(Form::Erf)) => name.push_str("_gelu_erf"),
            Job::Each(_) | Job::Argmax => {}
        }
        for (is, suffix) in [
            (matches!(self.way, Way::Cooperative(_)), "_cooperative"),
            (self.norm, "_normed"),
            (self.part, "_part"),
        ] {
            if is {
                name.push_str(suffix);
            }
        }
        name
    }

    /// Slots of which each dispatch writes every byte.
    pub(super) fn overwritten(&self) -> impl Iterator<Item = u32> {
        let puts = match self.job {
            Job::Each(_) if self.part => [None; MATRICES],
            Job::Each(puts) => puts,
            Job::Gated(_) | Job::Argmax => [Some(Put::Plain), None, None],
        };
        let slots = SLOTS.iter().zip(puts);
        slots.filter_map(|(slots, put)| match put? {
            Put::Plain | Put::Bias => Some(slots.out),
            Put::Add => None,
        })
    }
}
