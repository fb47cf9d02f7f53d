//! Floats that no rounding touches.

use super::scope::Type;

/// Code of a float, or of a vector of them, that is `k / 2^shift` for an integer k of at most `bound` either way.
#[derive(Clone, Debug)]
pub(super) struct Exact {
    pub(super) text: String,
    pub(super) bound: u64,
    pub(super) shift: u32,
}

/// All integers up to here are floats. Sums of several stay below it in any order.
const MOST: u64 = 1 << 23;

impl Exact {
    /// Of what variables hold: quarters of at most 256.
    pub(super) fn variable(text: String) -> Exact {
        Exact {
            text,
            bound: 1024,
            shift: 2,
        }
    }

    pub(super) fn integer(text: String, bound: u64) -> Exact {
        Exact {
            text,
            bound,
            shift: 0,
        }
    }

    fn bound_at(&self, shift: u32) -> u64 {
        self.bound << (shift - self.shift)
    }

    /// Rounded and clamped, if a variable could not hold it.
    pub(super) fn fit(self, n: u32) -> Exact {
        if self.shift <= 2 && self.bound_at(2) <= 1024 {
            return self;
        }
        let ty = Type::Float(n).name();
        let text = format!("clamp(round({}), {ty}(-256.0), {ty}(256.0))", self.text);
        Exact::integer(text, 256)
    }

    /// Of what `f` makes of both texts, no larger than the sum of both.
    pub(super) fn sum(self, other: Exact, n: u32, f: impl FnOnce(&str, &str) -> String) -> Exact {
        let shift = self.shift.max(other.shift);
        let bound = self.bound_at(shift) + other.bound_at(shift);
        if bound > MOST {
            return self.fit(n).sum(other.fit(n), n, f);
        }
        Exact {
            text: f(&self.text, &other.text),
            bound,
            shift,
        }
    }

    /// Of what `f` makes of both texts, `times` their product.
    pub(super) fn product(
        self,
        other: Exact,
        n: u32,
        times: u64,
        f: impl FnOnce(&str, &str) -> String,
    ) -> Exact {
        let bound = self.bound * other.bound * times;
        if bound > MOST {
            return self.fit(n).product(other.fit(n), n, times, f);
        }
        Exact {
            text: f(&self.text, &other.text),
            bound,
            shift: self.shift + other.shift,
        }
    }

    /// Of what `f` makes of the text, which is no larger.
    pub(super) fn map(self, f: impl FnOnce(&str) -> String) -> Exact {
        Exact {
            text: f(&self.text),
            ..self
        }
    }
}
