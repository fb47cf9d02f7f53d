//! What a chain has to do.

use dacapo::{Dispatched, Work};

use super::super::variant::Put;
use super::{AttendingParams, ChainParams, MATRICES, NORMS, STEP};
use crate::attention::work::of_step;
use crate::linear::Activation;
use crate::linear::work::{End, of_product};
use crate::rms_norm::operations_of_norm;
use crate::work::read;

/// The work of all products, and of the attention before them.
pub(super) fn work(call: &Dispatched<'_>, activation: Activation) -> Work {
    let attending = call.inline::<AttendingParams>();
    let chain = attending.map(|attending| attending.chain);
    let Some(ChainParams { stages, .. }) = chain.or_else(|| call.inline()) else {
        return Work::default();
    };
    let attended = attending.map(|attending| of_step(call, &STEP, &attending.attention.split));
    let ends = [
        End::Each([Put::Add; 3]),
        End::Gated(activation),
        End::Each([Put::Add; 3]),
        End::Each([Put::Plain; 3]),
    ];
    let norms = [None, Some(NORMS[0]), None, Some(NORMS[1])];
    let weights: Work = (0..MATRICES).map(|slot| read(call.bytes(slot))).sum();
    let products = stages.iter().zip(ends).zip(norms).enumerate();
    let products = products.filter(|(_, ((stage, _), _))| stage.cols > 0);
    let products = products.map(|(at, ((stage, end), norm))| {
        let x = match (at, &attended) {
            // What attention gives vanishes.
            (0, Some(_)) => Work::default(),
            _ => read(4 * u64::from(stage.cols)),
        };
        let norm = norm.map_or_else(Work::default, |slot| {
            read(call.bytes(slot)) + operations_of_norm(1, u64::from(stage.cols))
        });
        norm + x + of_product(stage.rows, stage.cols, 1, end)
    });
    attended.unwrap_or_default() + weights + products.sum()
}
