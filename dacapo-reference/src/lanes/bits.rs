//! Bits of integers.

/// No bit was found.
const NONE: u32 = u32::MAX;

/// The number of the lowest 1.
pub(super) fn first_trailing(x: u32) -> u32 {
    if x == 0 { NONE } else { x.trailing_zeros() }
}

/// The number of the highest 1.
pub(super) fn first_leading(x: u32) -> u32 {
    if x == 0 { NONE } else { 31 - x.leading_zeros() }
}

/// The number of the highest bit that is not the sign's.
pub(super) fn first_leading_signed(x: u32) -> u32 {
    first_leading(x ^ sign(x))
}

fn sign(x: u32) -> u32 {
    (x.cast_signed() >> 31).cast_unsigned()
}

/// Byte `n`.
pub(super) fn byte(x: u32, n: u8) -> u8 {
    x.to_le_bytes()[usize::from(n % 4)]
}

/// 16-bit half `n`.
pub(super) fn half(x: u32, n: u8) -> u16 {
    (x >> (u32::from(n % 2) * 16)) as u16
}

/// Both clamped to what an integer has.
fn clamped(offset: u32, count: u32) -> (u32, u32) {
    let offset = offset.min(32);
    (offset, count.min(32 - offset))
}

/// `count` ones.
fn ones(count: u32) -> u32 {
    ((1u64 << count) - 1) as u32
}

/// `count` bits from bit `offset` on, zero-extended.
pub(super) fn extract(x: u32, offset: u32, count: u32) -> u32 {
    let (offset, count) = clamped(offset, count);
    (u64::from(x) >> offset) as u32 & ones(count)
}

/// `count` bits from bit `offset` on, sign-extended.
pub(super) fn extract_signed(x: u32, offset: u32, count: u32) -> u32 {
    let (_, left) = clamped(offset, count);
    let unused = 32 - left;
    let high = u64::from(extract(x, offset, count)) << unused;
    (i64::from((high as u32).cast_signed()) >> unused) as u32
}

/// `x` with `count` bits of `new` from bit `offset` on.
pub(super) fn insert(x: u32, new: u32, offset: u32, count: u32) -> u32 {
    let (offset, count) = clamped(offset, count);
    let field = (u64::from(ones(count)) << offset) as u32;
    x & !field | (u64::from(new) << offset) as u32 & field
}

/// The sum of products of four signed bytes.
pub(super) fn dot4_signed(a: u32, b: u32) -> u32 {
    let product = |n| i32::from(byte(a, n).cast_signed()) * i32::from(byte(b, n).cast_signed());
    (product(0) + product(1) + product(2) + product(3)).cast_unsigned()
}

/// The sum of products of four bytes.
pub(super) fn dot4(a: u32, b: u32) -> u32 {
    let product = |n| u32::from(byte(a, n)) * u32::from(byte(b, n));
    product(0) + product(1) + product(2) + product(3)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;

    /// As WGSL defines extractBits, bit by bit.
    fn naive_extract(x: u32, offset: u32, count: u32, signed: bool) -> u32 {
        let offset = offset.min(32);
        let count = count.min(32 - offset);
        if count == 0 {
            return 0;
        }
        (0..32).fold(0, |result, bit| {
            let from = if bit < count {
                x >> (offset + bit) & 1
            } else if signed {
                x >> (offset + count - 1) & 1
            } else {
                0
            };
            result | from << bit
        })
    }

    fn naive_insert(x: u32, new: u32, offset: u32, count: u32) -> u32 {
        let offset = offset.min(32);
        let count = count.min(32 - offset);
        (0..32).fold(0, |result, bit| {
            let inside = bit >= offset && bit < offset + count;
            let from = if inside {
                new >> (bit - offset)
            } else {
                x >> bit
            };
            result | (from & 1) << bit
        })
    }

    #[test]
    fn fields_are_those_of_the_specification() {
        let mut random = Random::new(3);
        let lengths = (0..=34).chain([63, 64, 1 << 31, u32::MAX]);
        for (offset, count) in lengths
            .clone()
            .flat_map(|o| lengths.clone().map(move |c| (o, c)))
        {
            for _ in 0..8 {
                let (x, new) = (random.bits(), random.bits());
                assert_eq!(
                    extract(x, offset, count),
                    naive_extract(x, offset, count, false)
                );
                assert_eq!(
                    extract_signed(x, offset, count),
                    naive_extract(x, offset, count, true)
                );
                assert_eq!(
                    insert(x, new, offset, count),
                    naive_insert(x, new, offset, count)
                );
            }
        }
    }

    #[test]
    fn bits_are_found() {
        let mut random = Random::new(4);
        for x in (0..5000).map(|_| random.integer()).chain([0, 1, u32::MAX]) {
            let lowest = (0..32).find(|bit| x >> bit & 1 == 1);
            let highest = (0..32).rev().find(|bit| x >> bit & 1 == 1);
            let not_sign = (0..31).rev().find(|bit| x >> bit & 1 != x >> 31);
            assert_eq!(first_trailing(x), lowest.unwrap_or(u32::MAX));
            assert_eq!(first_leading(x), highest.unwrap_or(u32::MAX));
            assert_eq!(first_leading_signed(x), not_sign.unwrap_or(u32::MAX));
        }
    }

    #[test]
    fn products_of_bytes_are_summed() {
        let bytes = |bytes: [i8; 4]| u32::from_le_bytes(bytes.map(i8::cast_unsigned));
        let (a, b) = (bytes([-128, 127, -1, 3]), bytes([-128, -128, 1, -5]));
        assert_eq!(dot4_signed(a, b).cast_signed(), 16384 - 16256 - 1 - 15);
        assert_eq!(dot4(a, b), 128 * 128 + 127 * 128 + 255 + 3 * 251);
        assert_eq!(
            dot4_signed(bytes([-128; 4]), bytes([-128; 4])),
            4 * 128 * 128
        );
        assert_eq!(dot4(u32::MAX, u32::MAX), 4 * 255 * 255);
    }

    #[test]
    fn parts_are_taken_from_the_low_end() {
        assert_eq!(
            [0, 1, 2, 3].map(|n| byte(0x8899_aabb, n)),
            [0xbb, 0xaa, 0x99, 0x88]
        );
        assert_eq!([0, 1].map(|n| half(0x8899_aabb, n)), [0xaabb, 0x8899]);
    }
}
