//! Floats that devices may give differently, each computed from exact ones by one function.

use super::program::ROUGH;
use super::scope::{Sign, Writer};
use super::tree::Node;

/// By how much a result may be off, after WGSL's table of accuracies: two devices may be off in different directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tolerance {
    pub(crate) ulps: u32,
    pub(crate) absolute: f32,
}

/// Functions of two arguments `a` and `b` of at most 256, by slot.
const FUNCTIONS: [(&str, Tolerance); ROUGH as usize] = [
    // 2.5 ulps.
    (
        "a / (abs(b) + 1.0)",
        Tolerance {
            ulps: 5,
            absolute: 0.0,
        },
    ),
    // As 1 / inverseSqrt: 2 ulps and 2.5.
    (
        "sqrt(abs(a))",
        Tolerance {
            ulps: 9,
            absolute: 0.0,
        },
    ),
    (
        "inverseSqrt(abs(a) + 0.25)",
        Tolerance {
            ulps: 4,
            absolute: 0.0,
        },
    ),
    // 3 + 2 |x| ulps, of an |x| of at most 8.
    (
        "exp(a / 32.0)",
        Tolerance {
            ulps: 38,
            absolute: 0.0,
        },
    ),
    (
        "exp2(a / 32.0)",
        Tolerance {
            ulps: 38,
            absolute: 0.0,
        },
    ),
    // 3 ulps, or 2^-21 near 1.
    (
        "log(abs(a) + 0.25)",
        Tolerance {
            ulps: 6,
            absolute: 1e-6,
        },
    ),
    // 2^-11, between -pi and pi.
    (
        "sin(a / 82.0) + cos(b / 82.0)",
        Tolerance {
            ulps: 0,
            absolute: 2e-3,
        },
    ),
    // Rounded to the nearest.
    (
        "f32(x)",
        Tolerance {
            ulps: 0,
            absolute: 0.0,
        },
    ),
];

impl Tolerance {
    /// Of a slot.
    pub(crate) fn of(slot: usize) -> Tolerance {
        FUNCTIONS[slot % FUNCTIONS.len()].1
    }

    pub(crate) fn allows(self, a: f32, b: f32) -> bool {
        // Floats of one sign are ordered as their bits are.
        let steps = (a.to_bits().cast_signed()).abs_diff(b.to_bits().cast_signed());
        a == b
            || (a - b).abs() <= self.absolute
            || (steps <= self.ulps && a.is_finite() && b.is_finite())
    }
}

impl Writer {
    pub(super) fn rough(&mut self, node: &Node) {
        let slot = node.detail(ROUGH);
        let a = self.float(node.kid(0), 1).fit(1).text;
        let b = self.float(node.kid(1), 1).fit(1).text;
        let x = self.int(node.kid(2), Sign::I, 1);
        let (function, _) = FUNCTIONS[slot as usize];
        self.block("{", "}", |inner| {
            inner.line(&format!("let a = {a};"));
            inner.line(&format!("let b = {b};"));
            inner.line(&format!("let x = {x};"));
            inner.line(&format!("rough[rough_base + {slot}u] = {function};"));
        });
    }
}
