//! Changes the order of what no barrier orders.

use super::read::{Unit, Wave};
use crate::order::PassId;
use crate::settings::{self, Order};

/// Changes the order of what no barrier orders.
pub(super) fn shuffle(waves: &mut [Wave], seed: PassId) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let order = settings::order();
    for wave in waves {
        random.reorder(&mut wave.units, order);
        for unit in &mut wave.units {
            if let Unit::Many(steps) = unit {
                for step in steps {
                    random.reorder(step, order);
                }
            }
        }
    }
}

pub(super) struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn reorder<T>(&mut self, items: &mut [T], order: Order) {
        match order {
            Order::Program => {}
            Order::Reverse => items.reverse(),
            Order::Shuffle => {
                for i in (1..items.len()).rev() {
                    items.swap(i, self.below(i + 1));
                }
            }
        }
    }
}
