//! Expressions of bool.

use super::scope::{Sign, Type, Writer};
use super::tree::Node;

impl Writer {
    pub(super) fn boolean(&mut self, node: &Node) -> String {
        if node.is_leaf() {
            let known = self.known(Type::Bool, node.detail(16));
            return match (node.choose(4), known) {
                (1.., Some(name)) => name,
                (0, _) => "true".to_owned(),
                _ => "false".to_owned(),
            };
        }
        let (a, b) = (node.kid(0), node.kid(1));
        let relation = ["<", "<=", ">", ">=", "==", "!="][node.detail(6) as usize];
        let n = 2 + (node.pick >> 20) % 3;
        match node.choose(10) {
            0 | 1 => self.compared(Sign::U, a, relation, b, 1),
            2 | 3 => self.compared(Sign::I, a, relation, b, 1),
            4 => {
                let (a, b) = (self.float(a, 1), self.float(b, 1));
                format!("({} {relation} {})", a.text, b.text)
            }
            5 => {
                let (a, b) = (self.boolean(a), self.boolean(b));
                let operator = ["&&", "||", "&", "|", "==", "!="][node.detail(6) as usize];
                format!("({a} {operator} {b})")
            }
            6 => format!("(!{})", self.boolean(a)),
            7 => format!("any({})", self.compared(Sign::I, a, relation, b, n)),
            8 => format!("all({})", self.compared(Sign::U, a, relation, b, n)),
            _ => {
                let (a, b) = (self.float(a, n), self.float(b, n));
                format!("any({} {relation} {})", a.text, b.text)
            }
        }
    }

    fn compared(&mut self, sign: Sign, a: &Node, relation: &str, b: &Node, n: u32) -> String {
        let (a, b) = (self.int(a, sign, n), self.int(b, sign, n));
        format!("({a} {relation} {b})")
    }
}
