//! On the CPU: a heap of the best so far, and whole blocks passed over that hold nothing better.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let [width, k] = group.inline::<[u32; 2]>().map(|n| n as usize);
    let row = group.id()[0] as usize;
    let logits = &group.read::<f32>(0)[row * width..][..width];
    let range = row * k..(row + 1) * k;
    // SAFETY: workgroup `n` alone writes row `n`, and written bindings do not overlap.
    let (values, ids) = unsafe {
        (
            group.write::<f32>(1, range.clone()),
            group.write::<u32>(2, range),
        )
    };
    let found = top_k(Isa::detect(), logits, values, ids);
    values[found..].fill(f32::NEG_INFINITY);
    ids[found..].fill(u32::MAX);
    Ok(())
}

/// Elements that are compared with the worst of the best at once.
const BLOCK: usize = 4 * LANES;

/// Writes the `values.len()` greatest elements of `row`, greatest first, lower indices first among
/// equals, and their indices. Returns how many there are: NaN is passed over.
///
/// `values` and `ids` have the same length; what is beyond the returned count is untouched.
pub(crate) fn top_k(isa: Isa, row: &[f32], values: &mut [f32], ids: &mut [u32]) -> usize {
    vector::dispatch(isa, TopK { row, values, ids })
}

struct TopK<'a> {
    row: &'a [f32],
    values: &'a mut [f32],
    ids: &'a mut [u32],
}

impl Kernel for TopK<'_> {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let mut heap = Heap {
            values: self.values,
            ids: self.ids,
            len: 0,
        };
        if heap.values.is_empty() {
            return 0;
        }
        for (b, block) in self.row.chunks(BLOCK).enumerate() {
            if heap.is_full() && !holds_better(s, block, heap.values[0]) {
                continue;
            }
            for (i, &value) in block.iter().enumerate() {
                heap.offer(value, (b * BLOCK + i) as u32);
            }
        }
        heap.sort()
    }
}

#[inline(always)]
fn holds_better<S: Simd>(s: S, block: &[f32], than: f32) -> bool {
    let (vectors, tail) = block.as_chunks::<LANES>();
    let bar = s.splat(than);
    let mut better = tail.iter().any(|&x| x > than);
    for v in vectors {
        better |= s.any_gt(s.load(v), bar);
    }
    better
}

/// The worst at the root: the least value, the highest index among equals.
struct Heap<'a> {
    values: &'a mut [f32],
    ids: &'a mut [u32],
    len: usize,
}

impl Heap<'_> {
    fn is_full(&self) -> bool {
        self.len == self.values.len()
    }

    fn offer(&mut self, value: f32, id: u32) {
        if value.is_nan() {
            return;
        }
        if !self.is_full() {
            (self.values[self.len], self.ids[self.len]) = (value, id);
            self.len += 1;
            self.rise(self.len - 1);
        } else if value > self.values[0] {
            // Indices come in rising order, so an equal value would be the worse one.
            (self.values[0], self.ids[0]) = (value, id);
            self.sink(0, self.len);
        }
    }

    fn worse(&self, a: usize, b: usize) -> bool {
        let (x, y) = (self.values[a], self.values[b]);
        x < y || (x == y && self.ids[a] > self.ids[b])
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.values.swap(a, b);
        self.ids.swap(a, b);
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.worse(at, (at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self, mut at: usize, len: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            if left >= len {
                return;
            }
            let child = if right < len && self.worse(right, left) {
                right
            } else {
                left
            };
            if !self.worse(child, at) {
                return;
            }
            self.swap(at, child);
            at = child;
        }
    }

    /// Moves the worst to the back, again and again.
    fn sort(mut self) -> usize {
        for end in (1..self.len).rev() {
            self.swap(0, end);
            self.sink(0, end);
        }
        self.len
    }
}
