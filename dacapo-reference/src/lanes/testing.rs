//! Rows and random elements for tests.

use core::cell::Cell;

use crate::mask::Mask;

/// A row of these elements.
pub(super) fn row(elements: impl IntoIterator<Item = u32>) -> Vec<Cell<u32>> {
    elements.into_iter().map(Cell::new).collect()
}

/// The elements of a row.
pub(super) fn elements(row: &[Cell<u32>]) -> Vec<u32> {
    row.iter().map(Cell::get).collect()
}

/// Elements that look random, the same each time.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Splitmix64's upper half.
    pub(super) fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 32) as u32
    }

    /// One of all f32, NaN and infinities too.
    pub(super) fn float(&mut self) -> f32 {
        f32::from_bits(self.bits())
    }

    /// From -1 to 1.
    pub(super) fn small_float(&mut self) -> f32 {
        (f64::from(self.bits()) / f64::from(1u32 << 31) - 1.0) as f32
    }

    /// An integer that is often small, negative, or at a border.
    pub(super) fn integer(&mut self) -> u32 {
        let bits = self.bits();
        match self.bits() % 6 {
            0 => bits % 4,
            1 => (bits % 40).wrapping_neg(),
            2 => (1u32 << (bits % 32)).wrapping_sub(bits >> 31),
            3 => i32::MIN.cast_unsigned(),
            _ => bits,
        }
    }

    /// Some of the first `count` lanes; now and then all of them, or none.
    pub(super) fn mask(&mut self, count: usize) -> Mask {
        let one_in = self.bits() % 5;
        let members: Vec<bool> = (0..count)
            .map(|_| one_in == 0 || self.bits().is_multiple_of(one_in))
            .collect();
        match self.bits() % 16 {
            0 => Mask::default(),
            _ => Mask::of(count, |lane| members[lane]),
        }
    }
}
