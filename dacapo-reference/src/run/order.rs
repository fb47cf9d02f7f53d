//! In which order workgroups run.

use super::Order;

/// The workgroups of a wave of `count`, in a fixed order; `None` where any will do.
pub(super) fn sequence(order: Order, count: u32) -> Option<Box<dyn Iterator<Item = u32>>> {
    Some(match order {
        Order::Parallel => return None,
        Order::Forward => Box::new(0..count),
        Order::Reverse => Box::new((0..count).rev()),
        Order::Shuffled(seed) => Box::new(shuffled(seed, count).into_iter()),
    })
}

/// Fisher and Yates's shuffle with xorshift64* (Vigna, 2016).
fn shuffled(seed: u64, count: u32) -> Vec<u32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut all: Vec<u32> = (0..count).collect();
    for at in (1..all.len()).rev() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let random = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        all.swap(at, random as usize % (at + 1));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_each_workgroup_once() {
        for order in [
            Order::Forward,
            Order::Reverse,
            Order::Shuffled(1),
            Order::Shuffled(2),
        ] {
            let mut all: Vec<u32> = sequence(order, 100).unwrap().collect();
            assert!(order == Order::Forward || all[0] != 0, "{order:?}");
            all.sort();
            assert!(all.into_iter().eq(0..100), "{order:?}");
        }
        assert_ne!(shuffled(1, 100), shuffled(2, 100));
        assert!(sequence(Order::Parallel, 100).is_none());
    }
}
