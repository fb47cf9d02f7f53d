//! Scalar integers that come out of memory, of vectors, of packed bytes, or of functions.

use super::program::{COUNTERS, SLOTS, WORDS};
use super::scope::{Sign, Tally, Type, Writer};
use super::tree::Node;

impl Writer {
    pub(super) fn word(&mut self, node: &Node) -> String {
        let (a, b) = (node.kid(0), node.kid(1));
        let (words, thing) = (self.words, self.thing);
        match node.detail(16) {
            0 => format!("{}[{}]", words, self.index(a, WORDS)),
            1 => format!("{}.a", thing),
            2 => format!("{}.c[{}]", thing, self.index(a, 4)),
            3 => format!("input[{}]", self.index(a, 64)),
            4 if self.is_main => format!("output[base + {}]", self.index(a, SLOTS)),
            5 | 6 if self.shared => format!("shared_words[{}]", self.index(a, self.size)),
            7 | 8 if self.tally == Tally::Read => {
                format!("atomicLoad(&counters[{}])", self.index(a, COUNTERS))
            }
            9 => format!(
                "dot4U8Packed({}, {})",
                self.int(a, Sign::U, 1),
                self.int(b, Sign::U, 1)
            ),
            10 => {
                let name = ["pack4xI8", "pack4xI8Clamp"][(node.pick >> 20) as usize % 2];
                format!("{name}({})", self.int(a, Sign::I, 4))
            }
            11 => {
                let name = ["pack4xU8", "pack4xU8Clamp"][(node.pick >> 20) as usize % 2];
                format!("{name}({})", self.int(a, Sign::U, 4))
            }
            12 => {
                let a = self.float(a, 2).fit(2).text;
                format!("pack2x16float(abs({a}) + 1.0)")
            }
            13 => {
                let kinds = ["4x8unorm", "4x8snorm", "2x16unorm", "2x16snorm"];
                let kind = kinds[(node.pick >> 20) as usize % 4];
                // All of what they pack but -128 and -32768, of which they make -127 and -32767.
                let a = self.int(a, Sign::U, 1);
                format!("pack{kind}(unpack{kind}({a} & 0x7f7f7f7fu))")
            }
            14 if self.helpers > 0 && self.calls > 0 => self.call(node),
            _ => self.of_vector(node, Sign::U),
        }
    }

    /// Without anything below it.
    pub(super) fn word_leaf(&self, node: &Node) -> String {
        let at = node.detail(64);
        match node.choose(3) {
            0 if self.shared => format!("shared_words[(lane + {at}u) % {}u]", self.size),
            1 if self.tally == Tally::Read => format!("atomicLoad(&counters[{}])", at % COUNTERS),
            2 => format!("{}[{}]", self.words, at % WORDS),
            0 if self.is_main => format!("output[base + {}u]", at % SLOTS),
            _ => format!("input[(u1 + {at}u) % 64u]"),
        }
    }

    pub(super) fn signed_word(&mut self, node: &Node) -> String {
        let (a, b) = (node.kid(0), node.kid(1));
        let thing = self.thing;
        match node.detail(5) {
            0 => format!("{}.b[{}]", thing, self.index(a, 3)),
            1 => format!(
                "dot4I8Packed({}, {})",
                self.int(a, Sign::U, 1),
                self.int(b, Sign::U, 1)
            ),
            2 => {
                let index = self.index(b, 4);
                format!("unpack4xI8({})[{index}]", self.int(a, Sign::U, 1))
            }
            3 => format!("i32({})", self.word(node.kid(0))),
            _ => self.of_vector(node, Sign::I),
        }
    }

    fn of_vector(&mut self, node: &Node, sign: Sign) -> String {
        let n = 2 + (node.pick >> 20) % 3;
        let a = self.int(node.kid(0), sign, n);
        match node.pick >> 24 & 1 {
            0 => format!("{a}[{}]", self.index(node.kid(1), n)),
            _ => format!("dot({a}, {})", self.int(node.kid(1), sign, n)),
        }
    }

    /// A call of a function that was written before this one.
    pub(super) fn call(&mut self, node: &Node) -> String {
        self.calls -= 1;
        let number = (node.pick >> 20) as usize % self.helpers;
        let (a, b) = (
            self.int(node.kid(0), Sign::U, 1),
            self.int(node.kid(1), Sign::I, 1),
        );
        let c = self.float(node.kid(2), 1).fit(1).text;
        format!("helper{number}({a}, {b}, {c}, {})", self.pointers)
    }
}

/// What a helper takes before its pointers.
pub(super) const PARAMETERS: [(&str, Type); 3] = [
    ("a", Type::Int(Sign::U, 1)),
    ("b", Type::Int(Sign::I, 1)),
    ("c", Type::Float(1)),
];
