//! Cooperative matrices: square, and spread over the lanes of a subgroup.
//!
//! Element `e`, counted row by row, is in lane `e % size` of its subgroup and in row `e / size` of a list of rows. A
//! subgroup larger than the matrix leaves lanes unused; one that is short, at the end of a workgroup, has no room for
//! some elements: they read 0 and are not kept.

use super::{Lanes, binary16};
use crate::mask::Mask;

/// Where an element of a matrix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// Row of the matrix.
    pub(crate) row: usize,
    /// Column of the matrix.
    pub(crate) column: usize,
    /// Lane of the workgroup.
    pub(crate) lane: usize,
    /// Which of the rows of lanes.
    pub(crate) part: usize,
}

/// Rows of lanes that a matrix takes.
pub(crate) fn parts(n: usize, size: usize) -> usize {
    (n * n).div_ceil(size)
}

/// Elements of the matrix of this subgroup, row by row. `n` and `size` are powers of two.
#[inline(always)]
pub(crate) fn elements(n: usize, size: usize, subgroup: usize) -> impl Iterator<Item = Element> {
    // Shifts, because divisions would take longer than the products of the matrix.
    let (row_bits, size_bits) = (n.trailing_zeros(), size.trailing_zeros());
    (0..n * n).map(move |element| Element {
        row: element >> row_bits,
        column: element & (n - 1),
        lane: (subgroup << size_bits) + (element & (size - 1)),
        part: element >> size_bits,
    })
}

/// `dst = a * b + c` for every subgroup of a workgroup of `lanes` that has an active lane. `n` is 8 or 16.
///
/// Products are added to `c` in the order of columns of `a`, in f32; at the end all is rounded to f16, if asked. `dst`
/// may be any of the matrices.
#[expect(clippy::too_many_arguments, reason = "four matrices, and how they lie")]
pub(crate) fn multiply_add(
    n: usize,
    size: usize,
    lanes: usize,
    dst: &[Lanes<'_>],
    a: &[Lanes<'_>],
    b: &[Lanes<'_>],
    c: &[Lanes<'_>],
    active: &Mask,
    round_f16: bool,
) {
    for subgroup in 0..lanes.div_ceil(size) {
        let first = subgroup * size;
        if (first..lanes.min(first + size)).any(|lane| active.contains(lane)) {
            let spread = Spread { size, subgroup };
            match n {
                8 => spread.multiply_add::<8>(dst, [a, b, c], round_f16),
                _ => spread.multiply_add::<16>(dst, [a, b, c], round_f16),
            }
        }
    }
}

/// How the matrices of a subgroup lie.
#[derive(Clone, Copy)]
struct Spread {
    size: usize,
    subgroup: usize,
}

impl Spread {
    fn multiply_add<const N: usize>(
        self,
        dst: &[Lanes<'_>],
        inputs: [&[Lanes<'_>]; 3],
        round_f16: bool,
    ) {
        let [a, b, mut sum] = inputs.map(|rows| self.load::<N>(rows));
        for (sum, a) in sum.iter_mut().zip(&a) {
            for (a, b) in a.iter().zip(&b) {
                for (sum, b) in sum.iter_mut().zip(b) {
                    *sum += a * b;
                }
            }
        }
        for at in elements(N, self.size, self.subgroup) {
            if let Some(element) = dst[at.part].get(at.lane) {
                let bits = sum[at.row][at.column].to_bits();
                element.set(if round_f16 {
                    binary16::round(bits)
                } else {
                    bits
                });
            }
        }
    }

    fn load<const N: usize>(self, rows: &[Lanes<'_>]) -> [[f32; N]; N] {
        let mut matrix = [[0.0; N]; N];
        for at in elements(N, self.size, self.subgroup) {
            if let Some(element) = rows[at.part].get(at.lane) {
                matrix[at.row][at.column] = f32::from_bits(element.get());
            }
        }
        matrix
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::super::testing::{Random, row};
    use super::*;

    #[derive(Clone)]
    struct Stored(Vec<Vec<Cell<u32>>>);

    impl Stored {
        fn random(n: usize, size: usize, lanes: usize, random: &mut Random) -> Stored {
            let half = |random: &mut Random| half::f16::from_f32(random.small_float()).to_f32();
            let rows = (0..parts(n, size)).map(|_| row((0..lanes).map(|_| half(random).to_bits())));
            Stored(rows.collect())
        }

        fn rows(&self) -> Vec<Lanes<'_>> {
            self.0.iter().map(Vec::as_slice).collect()
        }

        /// By the definition in words; 0 where there is no lane.
        fn at(
            &self,
            n: usize,
            size: usize,
            subgroup: usize,
            row: usize,
            column: usize,
        ) -> Option<f32> {
            let element = row * n + column;
            let lane = subgroup * size + element % size;
            self.0[element / size]
                .get(lane)
                .map(|x| f32::from_bits(x.get()))
        }
    }

    fn situations() -> impl Iterator<Item = (usize, usize, usize)> {
        let sizes = (0..=7).map(|bits| 1usize << bits);
        sizes.flat_map(|size| {
            [8, 16].into_iter().flat_map(move |n| {
                [size, 2 * size, 3 * size - size / 2].map(|lanes| (n, size, lanes))
            })
        })
    }

    #[test]
    fn products_are_those_of_f64() {
        let mut random = Random::new(30);
        for (n, size, lanes) in situations() {
            let [a, b, c] = [(); 3].map(|()| Stored::random(n, size, lanes, &mut random));
            let before = Stored::random(n, size, lanes, &mut random);
            let active = random.mask(lanes);
            for round_f16 in [false, true] {
                let (dst, in_place) = (before.clone(), c.clone());
                let [a_rows, b_rows, c_rows, dst_rows] = [&a, &b, &c, &dst].map(Stored::rows);
                multiply_add(
                    n, size, lanes, &dst_rows, &a_rows, &b_rows, &c_rows, &active, round_f16,
                );
                let rows = in_place.rows();
                multiply_add(
                    n, size, lanes, &rows, &a_rows, &b_rows, &rows, &active, round_f16,
                );
                for (subgroup, row, column) in places(n, size, lanes) {
                    let at =
                        |matrix: &Stored, row, column| matrix.at(n, size, subgroup, row, column);
                    let Some(found) = at(&dst, row, column) else {
                        continue;
                    };
                    let active =
                        (0..lanes).any(|lane| lane / size == subgroup && active.contains(lane));
                    if !active {
                        assert_eq!(Some(found), at(&before, row, column));
                        continue;
                    }
                    let number =
                        |matrix, row, column| f64::from(at(matrix, row, column).unwrap_or(0.0));
                    let products = (0..n).map(|k| number(&a, row, k) * number(&b, k, column));
                    let expected = products.sum::<f64>() + number(&c, row, column);
                    let tolerance = if round_f16 {
                        2f64.powi(-11)
                    } else {
                        2f64.powi(-22)
                    };
                    let difference = (f64::from(found) - expected).abs();
                    assert!(
                        difference <= tolerance * expected.abs().max(4.0),
                        "{found} {expected}"
                    );
                    assert!(!round_f16 || half::f16::from_f32(found).to_f32() == found);
                    assert_eq!(at(&in_place, row, column), Some(found));
                }
            }
        }
    }

    fn places(n: usize, size: usize, lanes: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..lanes.div_ceil(size) * n * n).map(move |at| (at / (n * n), at / n % n, at % n))
    }

    #[test]
    fn elements_are_where_the_definition_says() {
        for (n, size, _) in situations() {
            for subgroup in 0..3 {
                let expected = (0..n * n).map(|element| Element {
                    row: element / n,
                    column: element % n,
                    lane: subgroup * size + element % size,
                    part: element / size,
                });
                assert!(elements(n, size, subgroup).eq(expected));
                assert!(elements(n, size, subgroup).all(|at| at.part < parts(n, size)));
            }
        }
    }

    #[test]
    fn sums_are_rounded_in_the_order_of_columns() {
        // 2^24 + 1 + 1 is 2^24 when each 1 is lost; the other way round it would be 2^24 + 2.
        let ones = row([1f32.to_bits(); 64]);
        let c = row([16_777_216f32.to_bits(); 64]);
        multiply_add(
            8,
            64,
            64,
            &[&c],
            &[&ones],
            &[&ones],
            &[&c],
            &Mask::first(64),
            false,
        );
        assert_eq!(c[0].get(), 16_777_216f32.to_bits());
    }
}
