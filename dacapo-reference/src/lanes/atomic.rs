//! Atomic operations.

/// What becomes of a value in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtomicOperation {
    /// Wraps.
    Add,
    /// Wraps.
    Sub,
    And,
    Or,
    Xor,
    MinI,
    MaxI,
    MinU,
    MaxU,
    AddF,
    SubF,
    Exchange,
}

impl AtomicOperation {
    /// What is in memory then.
    pub(crate) fn apply(self, old: u32, value: u32) -> u32 {
        let signed =
            |f: fn(i32, i32) -> i32| f(old.cast_signed(), value.cast_signed()).cast_unsigned();
        let float =
            |f: fn(f32, f32) -> f32| f(f32::from_bits(old), f32::from_bits(value)).to_bits();
        match self {
            AtomicOperation::Add => old.wrapping_add(value),
            AtomicOperation::Sub => old.wrapping_sub(value),
            AtomicOperation::And => old & value,
            AtomicOperation::Or => old | value,
            AtomicOperation::Xor => old ^ value,
            AtomicOperation::MinI => signed(Ord::min),
            AtomicOperation::MaxI => signed(Ord::max),
            AtomicOperation::MinU => old.min(value),
            AtomicOperation::MaxU => old.max(value),
            AtomicOperation::AddF => float(|a, b| a + b),
            AtomicOperation::SubF => float(|a, b| a - b),
            AtomicOperation::Exchange => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AtomicOperation::*;

    #[test]
    fn operations_are_what_their_names_say() {
        let minus = |n: i32| (-n).cast_unsigned();
        assert_eq!(Add.apply(u32::MAX, 2), 1);
        assert_eq!(Sub.apply(1, 3), minus(2));
        assert_eq!(
            [And, Or, Xor].map(|op| op.apply(0b1100, 0b1010)),
            [0b1000, 0b1110, 0b0110]
        );
        assert_eq!([MinI, MaxI].map(|op| op.apply(minus(1), 1)), [minus(1), 1]);
        assert_eq!([MinU, MaxU].map(|op| op.apply(minus(1), 1)), [1, minus(1)]);
        assert_eq!(
            AddF.apply(1.5f32.to_bits(), 2f32.to_bits()),
            3.5f32.to_bits()
        );
        assert_eq!(
            SubF.apply(1.5f32.to_bits(), 2f32.to_bits()),
            (-0.5f32).to_bits()
        );
        assert_eq!(Exchange.apply(1, 2), 2);
    }
}
