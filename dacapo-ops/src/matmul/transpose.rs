//! Rows into columns.
#![allow(
    unsafe_code,
    reason = "instructions of SSE, which every x86-64 processor has"
)]

use super::CHUNK;
use crate::vector::LANES;

/// Rows that are taken at a time.
const ROWS: usize = 4;

/// Writes four rows to lanes `at .. at + 4` of as many columns as there are in `panel`.
#[inline(always)]
pub(super) fn transpose(rows: &[[f32; CHUNK]; ROWS], at: usize, panel: &mut [[f32; LANES]]) {
    let (squares, rest) = panel.as_chunks_mut::<ROWS>();
    let whole = squares.len();
    for (i, columns) in squares.iter_mut().enumerate() {
        let mut square = [[0.0; ROWS]; ROWS];
        for (row, all) in square.iter_mut().zip(rows) {
            *row = all.as_chunks().0[i];
        }
        for (column, new) in columns.iter_mut().zip(turn(square)) {
            column[at..][..ROWS].copy_from_slice(&new);
        }
    }
    for (column, col) in rest.iter_mut().zip(ROWS * whole..) {
        for (lane, row) in rows.iter().enumerate() {
            column[at + lane] = row[col];
        }
    }
}

/// With shuffles.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn turn(square: [[f32; ROWS]; ROWS]) -> [[f32; ROWS]; ROWS] {
    use std::arch::x86_64::{
        __m128, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };
    let [a, b, c, d]: [__m128; ROWS] = bytemuck::cast(square);
    // SAFETY: every x86-64 processor has SSE.
    let turned = unsafe {
        let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        [
            _mm_movelh_ps(ab_low, cd_low),
            _mm_movehl_ps(cd_low, ab_low),
            _mm_movelh_ps(ab_high, cd_high),
            _mm_movehl_ps(cd_high, ab_high),
        ]
    };
    bytemuck::cast(turned)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn turn(square: [[f32; ROWS]; ROWS]) -> [[f32; ROWS]; ROWS] {
    let mut turned = square;
    for (i, row) in square.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            turned[j][i] = value;
        }
    }
    turned
}
