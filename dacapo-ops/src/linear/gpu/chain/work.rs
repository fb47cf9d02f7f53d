//! What a chain has to do.

use dacapo::{Dispatched, Work, WorkFn};

use super::super::variant::Put;
use super::{AttendingParams, Chain, ChainParams, Has, NEXT, Slots};
use crate::attention::Step;
use crate::attention::work::of_step;
use crate::gelu_mul::Form;
use crate::linear::Activation;
use crate::linear::work::{End, of_product};
use crate::rms_norm::operations_of_norm;
use crate::work::read;

impl Chain {
    /// A kernel's work is a plain function: there is one for each thing that makes a difference.
    pub(super) fn work(&self) -> WorkFn {
        let is_normed = self.attention.is_some_and(Step::is_normed);
        match (is_normed, self.biases) {
            (false, false) => of::<false, false>(self.activation),
            (false, true) => of::<false, true>(self.activation),
            (true, false) => of::<true, false>(self.activation),
            (true, true) => of::<true, true>(self.activation),
        }
    }
}

/// Of a chain whose attention, if there is one, norms heads or not, and whose last products have biases or not.
fn of<const NORMED: bool, const BIASED: bool>(activation: Activation) -> WorkFn {
    match activation {
        Activation::Silu => |call| work::<NORMED, BIASED>(call, Activation::Silu),
        Activation::Gelu(Form::Tanh) => {
            |call| work::<NORMED, BIASED>(call, Activation::Gelu(Form::Tanh))
        }
        Activation::Gelu(Form::Erf) => {
            |call| work::<NORMED, BIASED>(call, Activation::Gelu(Form::Erf))
        }
    }
}

/// The work of all products, and of the attention before them.
fn work<const NORMED: bool, const BIASED: bool>(
    call: &Dispatched<'_>,
    activation: Activation,
) -> Work {
    let attending = call.inline::<AttendingParams>();
    let chain = attending.map(|attending| attending.chain);
    let Some(ChainParams { parts, .. }) = chain.or_else(|| call.inline()) else {
        return Work::default();
    };
    let slots = Slots::new(Has {
        attention: attending.map(|_| NORMED),
        next: parts[NEXT].cols > 0,
        biases: BIASED,
    });
    let attended =
        attending.map(|attending| of_step(call, &slots.step, &attending.attention.split));
    let next = End::Each([if BIASED { Put::Bias } else { Put::Plain }; 3]);
    let ends = [
        End::Each([Put::Add; 3]),
        End::Gated(activation),
        End::Each([Put::Add; 3]),
        next,
        next,
    ];
    let weights: Work = (slots.all_planes().map(|slot| read(call.bytes(slot)))).sum();
    let products = parts.iter().zip(ends).enumerate();
    let products = products.filter(|(_, (part, _))| part.cols > 0);
    let products = products.map(|(at, (part, end))| {
        let x = match (at, &attended) {
            // What attention gives vanishes, and the second part of a stage has the input of the first.
            (0, Some(_)) | (4, _) => Work::default(),
            _ => read(4 * u64::from(part.cols)),
        };
        let norm = match at {
            1 => Some(slots.norms[0]),
            NEXT => Some(slots.norms[1]),
            _ => None,
        };
        let norm = norm.map_or_else(Work::default, |slot| {
            read(call.bytes(slot)) + operations_of_norm(1, u64::from(part.cols))
        });
        norm + x + of_product(part.rows, part.cols, 1, end)
    });
    attended.unwrap_or_default() + weights + products.sum()
}
