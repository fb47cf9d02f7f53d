//! On the CPU: a token to a workgroup.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use super::Params;
use crate::kv_append::cpu::{Stored, narrow};
use crate::rms_norm::cpu::RmsNormInPlace;
use crate::rope::Layout;
use crate::rope::cpu::{angles, turn_heads};
use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

pub(super) fn entry<E: Stored, const NORMED: bool>(
    group: &mut Workgroup<'_>,
) -> Result<(), KernelFault> {
    let Params {
        heads,
        kv_heads,
        head_dim,
        capacity,
        layout,
        eps,
    } = group.inline();
    let isa = Isa::detect();
    let token = group.id()[0] as usize;
    let [heads, kv_heads, head_dim] = [heads, kv_heads, head_dim].map(|n| n as usize);
    let (width, kv_width) = (heads * head_dim, kv_heads * head_dim);
    let k = &group.read::<f32>(1)[token * kv_width..][..kv_width];
    let v = &group.read::<f32>(2)[token * kv_width..][..kv_width];
    let positions = group.read::<u32>(5);
    let frequencies = group.read::<[u32; 2]>(6);
    let norm = |slot| NORMED.then(|| (group.read::<f32>(slot), eps));
    let (q_norm, k_norm) = (norm(7), norm(8));
    // SAFETY: workgroup `n` alone touches row `n`.
    let q = unsafe { group.write::<f32>(0, token * width..(token + 1) * width) };
    let turn = Turn {
        layout: Layout::of_number(layout),
        head_dim,
        pairs: frequencies.len(),
    };
    let position = positions[token];
    vector::dispatch(
        isa,
        Angles {
            position,
            frequencies,
            turns: group.shared(),
        },
    );
    turn.heads(isa, q, q_norm, group.shared());
    if superseded(positions, token, capacity) {
        return Ok(());
    }
    let slot = (position % capacity) as usize;
    let heads = k.chunks_exact(head_dim).zip(v.chunks_exact(head_dim));
    for (head, (k, v)) in heads.enumerate() {
        let at = (head * capacity as usize + slot) * head_dim;
        // SAFETY: of all workgroups whose row would go to this slot the last alone touches it.
        let cached = [3, 4].map(|cache| unsafe { group.write::<E>(cache, at..at + head_dim) });
        let [k_cached, v_cached] = cached;
        narrow(isa, v, v_cached);
        let (angles, rest) = group.shared().split_at_mut(2 * turn.pairs);
        let turned = &mut rest[..head_dim];
        turned.copy_from_slice(k);
        turn.heads(isa, turned, k_norm, angles);
        narrow(isa, turned, k_cached);
    }
    Ok(())
}

/// Whether a later row goes to the same slot.
fn superseded(positions: &[u32], token: usize, capacity: u32) -> bool {
    let position = positions[token];
    let later = &positions[token + 1..];
    // Most positions ascend by less than the capacity, which needs no division.
    let near = |other: u32| other.wrapping_sub(position).wrapping_sub(1) < capacity - 1;
    let all_near = later.iter().fold(true, |all, &other| all & near(other));
    !all_near
        && later
            .iter()
            .any(|&other| !near(other) && other % capacity == position % capacity)
}

/// Sines of all angles and then their cosines, at the start of `turns`.
struct Angles<'a> {
    position: u32,
    frequencies: &'a [[u32; 2]],
    turns: &'a mut [f32],
}

impl Kernel for Angles<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let half = self.frequencies.len();
        let (sin, cos) = self.turns[..2 * half].split_at_mut(half);
        angles(s, self.position, self.frequencies, sin, cos);
    }
}

#[derive(Clone, Copy)]
struct Turn {
    layout: Layout,
    head_dim: usize,
    pairs: usize,
}

impl Turn {
    /// Norms and turns the heads of `row`, by the angles that `turns` begins with.
    fn heads(self, isa: Isa, row: &mut [f32], norm: Option<(&[f32], f32)>, turns: &[f32]) {
        let (sin, cos) = turns[..2 * self.pairs].split_at(self.pairs);
        vector::dispatch(
            isa,
            TurnHeads {
                turn: self,
                row,
                norm,
                sin,
                cos,
            },
        );
    }
}

struct TurnHeads<'a> {
    turn: Turn,
    row: &'a mut [f32],
    norm: Option<(&'a [f32], f32)>,
    sin: &'a [f32],
    cos: &'a [f32],
}

impl Kernel for TurnHeads<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Turn {
            layout, head_dim, ..
        } = self.turn;
        if let Some((weight, eps)) = self.norm {
            let x = &mut *self.row;
            RmsNormInPlace { x, weight, eps }.run(s);
        }
        turn_heads(s, layout, self.row, head_dim, self.sin, self.cos);
    }
}
