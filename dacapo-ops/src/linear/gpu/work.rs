//! What a GPU's products have to do. A kernel's job is known when it is made, but its work is a plain function: there is
//! one for each job that makes a difference.

use dacapo::{Dispatched, Work, WorkFn};

use super::Params;
use super::variant::{Job, Put, SLOTS};
use crate::gelu_mul::Form;
use crate::linear::Activation;
use crate::linear::work::{End, Products};

pub(super) fn of(job: Job) -> WorkFn {
    match job {
        Job::Each(puts) => {
            let adds = puts.map(|put| put == Some(Put::Add));
            match adds {
                [false, false, false] => each::<false, false, false>,
                [false, false, true] => each::<false, false, true>,
                [false, true, false] => each::<false, true, false>,
                [false, true, true] => each::<false, true, true>,
                [true, false, false] => each::<true, false, false>,
                [true, false, true] => each::<true, false, true>,
                [true, true, false] => each::<true, true, false>,
                [true, true, true] => each::<true, true, true>,
            }
        }
        Job::Gated(Activation::Silu) => |call| work(call, End::Gated(Activation::Silu)),
        Job::Gated(Activation::Gelu(Form::Tanh)) => {
            |call| work(call, End::Gated(Activation::Gelu(Form::Tanh)))
        }
        Job::Gated(Activation::Gelu(Form::Erf)) => {
            |call| work(call, End::Gated(Activation::Gelu(Form::Erf)))
        }
        Job::Argmax => |call| work(call, End::Argmax),
    }
}

/// Products of which those of these matrices are added to what is there; where a bias is bound, it is added.
fn each<const A: bool, const B: bool, const C: bool>(call: &Dispatched<'_>) -> Work {
    let mut puts = [A, B, C].map(|adds| if adds { Put::Add } else { Put::Plain });
    for (put, slots) in puts.iter_mut().zip(&SLOTS) {
        if call.bytes(slots.bias) != 0 {
            *put = Put::Bias;
        }
    }
    work(call, End::Each(puts))
}

fn work(call: &Dispatched<'_>, end: End) -> Work {
    let Some(params) = call.inline::<Params>() else {
        return Work::default();
    };
    let products = Products {
        rows: params.rows,
        cols: params.cols,
        tokens: params.tokens.into(),
        end,
    };
    products.work(call)
}
