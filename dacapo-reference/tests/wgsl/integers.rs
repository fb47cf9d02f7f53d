//! Expressions of i32 and u32, and of vectors of them.

use super::scope::{Sign, Type, Writer};
use super::tree::Node;

/// Where things happen at the ends of ranges.
const LITERALS: [u32; 16] = [
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    31,
    32,
    33,
    255,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

impl Type {
    /// A scalar for all components.
    pub(super) fn splat(self, scalar: &str) -> String {
        match self {
            Type::Int(_, 1) | Type::Float(1) | Type::Bool => scalar.to_owned(),
            _ => format!("{}({scalar})", self.name()),
        }
    }
}

impl Writer {
    /// Of `n` components, 1 for a scalar.
    pub(super) fn int(&mut self, node: &Node, sign: Sign, n: u32) -> String {
        if node.is_leaf() {
            return self.int_leaf(node, sign, n);
        }
        let ty = Type::Int(sign, n);
        let unsigned = Type::Int(Sign::U, n);
        let (a, b) = (node.kid(0), node.kid(1));
        match node.choose(26) {
            choice @ 0..6 => {
                let operator = ["+", "-", "*", "&", "|", "^"][choice as usize];
                let (a, b) = (self.int(a, sign, n), self.int(b, sign, n));
                format!("({a} {operator} {b})")
            }
            6 => format!("(~{})", self.int(a, sign, n)),
            choice @ 7..9 => {
                let operator = ["<<", ">>"][choice as usize - 7];
                let (a, b) = (self.int(a, sign, n), self.int(b, Sign::U, n));
                format!("({a} {operator} ({b} & {}))", unsigned.splat("31u"))
            }
            // By what is neither 0 nor -1.
            choice @ 9..11 => {
                let operator = ["/", "%"][choice as usize - 9];
                let (a, b) = (self.int(a, sign, n), self.int(b, sign, n));
                let literal = |bits: u32| ty.splat(&format!("{bits}{}", sign.suffix()));
                format!(
                    "({a} {operator} (({b} & {}) | {}))",
                    literal(0x1ff),
                    literal(1)
                )
            }
            11 => {
                let name = ["min", "max"][node.detail(2) as usize];
                format!("{name}({}, {})", self.int(a, sign, n), self.int(b, sign, n))
            }
            12 => {
                let [x, b, c] = [a, b, node.kid(2)].map(|kid| self.int(kid, sign, n));
                format!("clamp({x}, min({b}, {c}), max({b}, {c}))")
            }
            13 => {
                let (a, b) = (self.int(a, sign, n), self.int(b, sign, n));
                format!("select({a}, {b}, {})", self.boolean(node.kid(2)))
            }
            choice @ 14..16 => {
                let names = [
                    "countOneBits",
                    "reverseBits",
                    "firstLeadingBit",
                    "firstTrailingBit",
                    "countLeadingZeros",
                    "countTrailingZeros",
                    "abs",
                ];
                let name = names[((node.detail(7) + choice) % 7) as usize];
                format!("{name}({})", self.int(a, sign, n))
            }
            16 => {
                let [offset, count] = [b, node.kid(2)].map(|kid| self.int(kid, Sign::U, 1));
                format!(
                    "extractBits({}, {offset} % 40u, {count} % 40u)",
                    self.int(a, sign, n)
                )
            }
            17 => {
                let [offset, count] =
                    [node.kid(2), node.kid(3)].map(|kid| self.int(kid, Sign::U, 1));
                let (a, b) = (self.int(a, sign, n), self.int(b, sign, n));
                format!("insertBits({a}, {b}, {offset} % 40u, {count} % 40u)")
            }
            18 => {
                let a = self.int(a, sign.other(), n);
                match node.detail(2) {
                    0 => format!("{}({a})", ty.name()),
                    _ => format!("bitcast<{}>({a})", ty.name()),
                }
            }
            19 => {
                let a = self.float(a, n).fit(n).text;
                match sign {
                    Sign::I => format!("{}({a})", ty.name()),
                    Sign::U => format!("{}(abs({a}))", ty.name()),
                }
            }
            20 if sign == Sign::I => match node.detail(2) {
                0 => format!("(-{})", self.int(a, sign, n)),
                _ => format!("sign({})", self.int(a, sign, n)),
            },
            20..22 => ty.splat(&format!("{}32({})", sign.suffix(), self.boolean(a))),
            _ if n == 1 => match sign {
                Sign::U => self.word(node),
                Sign::I => self.signed_word(node),
            },
            _ => self.int_vector(node, sign, n),
        }
    }

    fn int_leaf(&mut self, node: &Node, sign: Sign, n: u32) -> String {
        let ty = Type::Int(sign, n);
        if ty == Type::Int(Sign::U, 1) && node.choose(8) >= 5 {
            return self.word_leaf(node);
        }
        if let Some(name) = self.known(ty, node.detail(32))
            && node.choose(8) > 1
        {
            return name;
        }
        let bits = LITERALS[node.detail(16) as usize];
        // Nothing that the compiler could compute: that overflows is an error there.
        let scalar = match sign {
            Sign::U => format!("(zero + {bits}u)"),
            Sign::I => format!("(i32(zero) + {}i)", (bits as i32).max(-i32::MAX)),
        };
        ty.splat(&scalar)
    }

    fn int_vector(&mut self, node: &Node, sign: Sign, n: u32) -> String {
        let letters = ["x", "y", "z", "w"];
        match node.detail(2) {
            0 => {
                let kids: Vec<_> = (0..n)
                    .map(|at| self.int(node.kid(at as usize), sign, 1))
                    .collect();
                format!("{}({})", Type::Int(sign, n).name(), kids.join(", "))
            }
            _ => {
                let from = 2 + (node.pick >> 20) % 3;
                let letter = |at: u32| letters[((node.pick >> (2 * at)) % from) as usize];
                let swizzle: String = (0..n).map(letter).collect();
                format!("{}.{swizzle}", self.int(node.kid(0), sign, from))
            }
        }
    }

    /// An index below `count`.
    pub(super) fn index(&mut self, node: &Node, count: u32) -> String {
        format!("{} % {count}u", self.int(node, Sign::U, 1))
    }
}
