//! Loops over all elements of rows.
//!
//! Elements are read in blocks before any of the block is written, because the row that is written may be one that is
//! read: the compiler may then use vector instructions without asking where the rows lie.

use core::cell::Cell;

use super::Lanes;

const BLOCK: usize = 16;

type Block = [Cell<u32>; BLOCK];

#[inline(always)]
fn load(block: &Block) -> [u32; BLOCK] {
    core::array::from_fn(|at| block[at].get())
}

#[inline(always)]
fn store(block: &Block, values: [u32; BLOCK]) {
    for (cell, value) in block.iter().zip(values) {
        cell.set(value);
    }
}

/// `dst = f(a)`.
#[inline(always)]
pub(super) fn one(dst: Lanes<'_>, a: Lanes<'_>, f: impl Fn(u32) -> u32) {
    let (dst_blocks, dst_rest) = dst.as_chunks::<BLOCK>();
    let (a_blocks, a_rest) = a.as_chunks::<BLOCK>();
    for (dst, a) in dst_blocks.iter().zip(a_blocks) {
        let a = load(a);
        store(dst, core::array::from_fn(|at| f(a[at])));
    }
    for (dst, a) in dst_rest.iter().zip(a_rest) {
        dst.set(f(a.get()));
    }
}

/// `dst = f(a, b)`.
#[inline(always)]
pub(super) fn two(dst: Lanes<'_>, a: Lanes<'_>, b: Lanes<'_>, f: impl Fn(u32, u32) -> u32) {
    let (dst_blocks, dst_rest) = dst.as_chunks::<BLOCK>();
    let (a_blocks, a_rest) = a.as_chunks::<BLOCK>();
    let (b_blocks, b_rest) = b.as_chunks::<BLOCK>();
    for ((dst, a), b) in dst_blocks.iter().zip(a_blocks).zip(b_blocks) {
        let (a, b) = (load(a), load(b));
        store(dst, core::array::from_fn(|at| f(a[at], b[at])));
    }
    for ((dst, a), b) in dst_rest.iter().zip(a_rest).zip(b_rest) {
        dst.set(f(a.get(), b.get()));
    }
}

/// `dst = f(a, b, c)`.
#[inline(always)]
pub(super) fn three(dst: Lanes<'_>, [a, b, c]: [Lanes<'_>; 3], f: impl Fn(u32, u32, u32) -> u32) {
    let (dst_blocks, dst_rest) = dst.as_chunks::<BLOCK>();
    let (a_blocks, a_rest) = a.as_chunks::<BLOCK>();
    let (b_blocks, b_rest) = b.as_chunks::<BLOCK>();
    let (c_blocks, c_rest) = c.as_chunks::<BLOCK>();
    let blocks = a_blocks.iter().zip(b_blocks).zip(c_blocks);
    for (dst, ((a, b), c)) in dst_blocks.iter().zip(blocks) {
        let (a, b, c) = (load(a), load(b), load(c));
        store(dst, core::array::from_fn(|at| f(a[at], b[at], c[at])));
    }
    let rest = a_rest.iter().zip(b_rest).zip(c_rest);
    for (dst, ((a, b), c)) in dst_rest.iter().zip(rest) {
        dst.set(f(a.get(), b.get(), c.get()));
    }
}

/// `dst = f(a)`, where `f` is a call that does not become vector instructions.
#[inline(always)]
pub(super) fn call_one(dst: Lanes<'_>, a: Lanes<'_>, f: impl Fn(f32) -> f32) {
    for (dst, a) in dst.iter().zip(a) {
        dst.set(f(f32::from_bits(a.get())).to_bits());
    }
}

/// `dst = f(a, b)`, where `f` is a call that does not become vector instructions.
#[inline(always)]
pub(super) fn call_two(dst: Lanes<'_>, a: Lanes<'_>, b: Lanes<'_>, f: impl Fn(f32, f32) -> f32) {
    for ((dst, a), b) in dst.iter().zip(a).zip(b) {
        dst.set(f(f32::from_bits(a.get()), f32::from_bits(b.get())).to_bits());
    }
}
