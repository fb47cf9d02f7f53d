//! What can be assigned to.

use super::program::{SLOTS, WORDS};
use super::scope::{Sign, Type, Writer};
use super::tree::Node;

impl Writer {
    /// A place and its type.
    pub(super) fn place(&mut self, node: &Node) -> (String, Type) {
        let word = Type::Int(Sign::U, 1);
        let index = node.kid(0);
        let (words, thing) = (self.words, self.thing);
        match node.choose(12) {
            0 => (format!("{}[{}]", words, self.index(index, WORDS)), word),
            1 => (format!("{}.a", thing), word),
            2 => (format!("{}.b", thing), Type::Int(Sign::I, 3)),
            3 => (
                format!("{}.b[{}]", thing, self.index(index, 3)),
                Type::Int(Sign::I, 1),
            ),
            4 => (format!("{}.c[{}]", thing, self.index(index, 4)), word),
            5 => (format!("{}.d", thing), Type::Float(1)),
            6 => (
                format!("{}.e[{}]", thing, self.index(index, 2)),
                Type::Float(2),
            ),
            7 if self.is_main => (format!("output[base + {}]", self.index(index, SLOTS)), word),
            8 => (format!("vu[{}]", self.index(index, 4)), word),
            9 => (
                format!("vi.{}", ["x", "y", "z"][node.detail(3) as usize]),
                Type::Int(Sign::I, 1),
            ),
            _ => self.variable(node.detail(64)),
        }
    }

    fn variable(&self, pick: u32) -> (String, Type) {
        let all: Vec<_> = self.names.iter().filter(|name| name.2).collect();
        let (name, ty, _) = all[pick as usize % all.len()];
        (name.clone(), *ty)
    }

    /// An expression of any type, small enough for a variable.
    pub(super) fn any(&mut self, node: &Node, ty: Type) -> String {
        match ty {
            Type::Bool => self.boolean(node),
            Type::Int(sign, n) => self.int(node, sign, n),
            Type::Float(n) => self.float(node, n).fit(n).text,
        }
    }
}
