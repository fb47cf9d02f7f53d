//! What each form has to do.

use dacapo::{Dispatched, Work};

use super::Params;
use crate::work::{changed, elements, operations, read, written};

/// Of norms of so many rows: of each element its square, which is added to the others, and its products with the row's
/// factor and with the weight; of each row the mean, the epsilon and the root.
pub(crate) fn operations_of_norm(rows: u64, width: u64) -> Work {
    operations_of_factors(rows, width) + operations([2, rows, width])
}

fn operations_of_factors(rows: u64, width: u64) -> Work {
    operations([2, rows, width]) + operations([3, rows])
}

/// Rows of the F32 at `slot`, and their width.
fn rows(call: &Dispatched<'_>, slot: u32) -> [u64; 2] {
    let width = call.inline::<Params>().map_or(1, |params| params.width);
    let width = u64::from(width).max(1);
    [elements(call.bytes(slot)) / width, width]
}

pub(super) fn plain(call: &Dispatched<'_>) -> Work {
    let [rows, width] = rows(call, 0);
    let operands = read(call.bytes(0)) + read(call.bytes(1)) + written(call.bytes(2));
    operands + operations_of_norm(rows, width)
}

pub(super) fn unweighted(call: &Dispatched<'_>) -> Work {
    let [rows, width] = rows(call, 0);
    let operations = operations_of_factors(rows, width) + operations([rows, width]);
    read(call.bytes(0)) + written(call.bytes(1)) + operations
}

pub(super) fn in_place(call: &Dispatched<'_>) -> Work {
    let [rows, width] = rows(call, 0);
    changed(call.bytes(0)) + read(call.bytes(1)) + operations_of_norm(rows, width)
}

pub(super) fn residual(call: &Dispatched<'_>) -> Work {
    let [rows, width] = rows(call, 0);
    let sum = changed(call.bytes(0)) + read(call.bytes(1)) + operations([rows, width]);
    let norm = read(call.bytes(2)) + written(call.bytes(3)) + operations_of_norm(rows, width);
    sum + norm
}
