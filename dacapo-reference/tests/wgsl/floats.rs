//! Expressions of f32 and of vectors of them, all exact.

use super::exact::Exact;
use super::scope::{Sign, Type, Writer};
use super::tree::Node;

impl Writer {
    /// Of `n` components, 1 for a scalar.
    pub(super) fn float(&mut self, node: &Node, n: u32) -> Exact {
        if node.is_leaf() {
            return self.float_leaf(node, n);
        }
        let (a, b) = (node.kid(0), node.kid(1));
        let ty = Type::Float(n).name();
        match node.choose(22) {
            0 => {
                let (a, b) = (self.float(a, n), self.float(b, n));
                a.sum(b, n, |a, b| format!("({a} + {b})"))
            }
            1 => {
                let (a, b) = (self.float(a, n), self.float(b, n));
                a.sum(b, n, |a, b| format!("({a} - {b})"))
            }
            2 => {
                let (a, b) = (self.float(a, n), self.float(b, n));
                a.product(b, n, 1, |a, b| format!("({a} * {b})"))
            }
            3 => {
                let (a, b, c) = (
                    self.float(a, n),
                    self.float(b, n),
                    self.float(node.kid(2), n),
                );
                let (a, b) = (a.fit(n), b.fit(n));
                let product = a.product(b, n, 1, |a, b| format!("{a}, {b}"));
                product.sum(c.fit(n), n, |ab, c| format!("fma({ab}, {c})"))
            }
            4 => self.float(a, n).map(|a| format!("(-{a})")),
            5 => self.float(a, n).map(|a| format!("abs({a})")),
            6 => self.float(a, n).map(|a| format!("floor({a})")).whole(),
            7 => self.float(a, n).map(|a| format!("ceil({a})")).whole(),
            8 => self.float(a, n).map(|a| format!("trunc({a})")).whole(),
            9 => self.float(a, n).map(|a| format!("round({a})")).whole(),
            10 => {
                let (a, b) = (self.float(a, n), self.float(b, n));
                let name = ["min", "max"][node.detail(2) as usize];
                a.sum(b, n, |a, b| format!("{name}({a}, {b})"))
            }
            11 => {
                let a = self.float(a, n);
                let low = node.detail(8);
                a.map(|a| format!("clamp({a}, {ty}(-{low}.0), {ty}({low}.5))"))
                    .at_least(1)
            }
            12 => {
                let (a, b) = (self.float(a, n), self.float(b, n));
                let condition = self.boolean(node.kid(2));
                a.sum(b, n, |a, b| format!("select({a}, {b}, {condition})"))
            }
            13 => {
                let a = self.float(a, n);
                Exact::integer(format!("sign({})", a.text), 1)
            }
            14 => self.float(a, n).map(|a| format!("fract({a})")),
            15 => {
                let a = self.int(a, Sign::I, n);
                Exact::integer(
                    format!("{ty}({a} % {})", Type::Int(Sign::I, n).splat("256i")),
                    256,
                )
            }
            16 => {
                let a = self.int(a, Sign::U, n);
                Exact::integer(
                    format!("{ty}({a} & {})", Type::Int(Sign::U, n).splat("255u")),
                    256,
                )
            }
            17 => {
                let (a, b) = (self.float(a, n), self.float(b, n));
                Exact::integer(format!("step({}, {})", a.text, b.text), 1)
            }
            18 => {
                let a = self.float(a, n).fit(n);
                a.map(|a| format!("quantizeToF16({a})"))
            }
            19 => {
                let a = self.float(a, n).fit(n);
                let up = node.detail(3);
                let text = format!(
                    "ldexp({}, {})",
                    a.text,
                    Type::Int(Sign::I, n).splat(&format!("{up}i"))
                );
                Exact {
                    text,
                    bound: a.bound << up,
                    shift: a.shift,
                }
            }
            _ if n == 1 => self.float_of_vector(node),
            _ => self.float_vector(node, n),
        }
    }

    fn float_leaf(&mut self, node: &Node, n: u32) -> Exact {
        if let Some(name) = self.known(Type::Float(n), node.detail(16))
            && node.choose(4) > 0
        {
            return Exact::variable(name);
        }
        let quarters = node.detail(257) as f32;
        let text = format!("({:?})", (quarters - 128.0) / 4.0);
        Exact {
            text: Type::Float(n).splat(&text),
            bound: 128,
            shift: 2,
        }
    }

    fn float_of_vector(&mut self, node: &Node) -> Exact {
        let n = 2 + node.detail(3);
        let a = self.float(node.kid(0), n);
        match node.pick & 1 << 11 {
            0 => {
                let (a, b) = (a.fit(n), self.float(node.kid(1), n).fit(n));
                a.product(b, n, u64::from(n), |a, b| format!("dot({a}, {b})"))
            }
            _ => {
                let index = self.index(node.kid(1), n);
                a.map(|a| format!("{a}[{index}]"))
            }
        }
    }

    fn float_vector(&mut self, node: &Node, n: u32) -> Exact {
        let letters = ["x", "y", "z", "w"];
        match node.detail(3) {
            0 => {
                let kids: Vec<_> = (0..n)
                    .map(|at| self.float(node.kid(at as usize), 1).fit(1).text)
                    .collect();
                Exact::variable(format!("{}({})", Type::Float(n).name(), kids.join(", ")))
            }
            1 => {
                let from = 2 + (node.pick >> 20) % 3;
                let letter = |at: u32| letters[((node.pick >> (2 * at)) % from) as usize];
                let swizzle: String = (0..n).map(letter).collect();
                self.float(node.kid(0), from)
                    .map(|a| format!("{a}.{swizzle}"))
            }
            _ => {
                let columns: Vec<_> = (0..2)
                    .map(|at| self.float(node.kid(at), n).fit(n).text)
                    .collect();
                let by = self.float(node.kid(2), 2).fit(2);
                let matrix = format!("mat2x{n}<f32>({})", columns.join(", "));
                Exact::variable(matrix).product(by, n, 2, |a, b| format!("({a} * {b})"))
            }
        }
    }
}

impl Exact {
    /// Of what is an integer, by what was done to it.
    fn whole(self) -> Exact {
        Exact::integer(self.text, (self.bound >> self.shift) + 1)
    }

    /// If a bound other than that of the operand may be taken, of less than 9.
    fn at_least(self, shift: u32) -> Exact {
        let shift = self.shift.max(shift);
        let bound = self.bound << (shift - self.shift);
        Exact {
            text: self.text,
            bound: bound.max(9 << shift),
            shift,
        }
    }
}
