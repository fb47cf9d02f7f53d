//! Statements: assignments, branches, loops, atomics. None of them has a barrier.

use super::program::{COUNTERS, TOTALS};
use super::scope::{Sign, Tally, Type, Writer};
use super::tree::Node;

impl Writer {
    pub(super) fn statements(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.statement(node);
        }
    }

    fn statement(&mut self, node: &Node) {
        if node.is_leaf() {
            return;
        }
        let rest = node.kids.get(1..).unwrap_or_default();
        let deeper = !rest.is_empty() && self.indent < 6;
        let looping = deeper && self.loops < self.max_loops;
        match node.choose(20) {
            0..2 if deeper => self.branch(node, rest),
            2 if looping => self.counted(node, rest),
            3 if looping => self.while_loop(node, rest),
            4 if looping => self.endless(node, rest),
            5 if deeper => self.switch(node, rest),
            6 => self.constant(node),
            7..11 if self.tally == Tally::Count => self.count(node),
            7..9 if self.is_main => self.total(node),
            11 if self.loops > 0 => self.leave(node),
            12 if self.is_main => self.rough(node),
            13 if self.returns => self.early_return(node),
            14 => self.copy(node),
            15..17 => self.compound(node),
            _ => self.assign(node),
        }
    }

    fn assign(&mut self, node: &Node) {
        let (place, ty) = self.place(node.kid(0));
        let value = self.any(node.kid(1), ty);
        self.line(&format!("{place} = {value};"));
    }

    fn compound(&mut self, node: &Node) {
        let (place, ty) = self.place(node.kid(0));
        let Type::Int(sign, n) = ty else {
            return self.assign(node);
        };
        let operator = ["+=", "-=", "*=", "&=", "|=", "^="][node.detail(6) as usize];
        let value = self.int(node.kid(1), sign, n);
        self.line(&format!("{place} {operator} {value};"));
    }

    fn constant(&mut self, node: &Node) {
        let types = [
            Type::Int(Sign::U, 1),
            Type::Int(Sign::I, 1),
            Type::Float(1),
            Type::Bool,
            Type::Int(Sign::U, 2),
            Type::Int(Sign::I, 4),
            Type::Float(3),
            Type::Float(4),
        ];
        let ty = types[node.detail(8) as usize];
        let (value, name) = (self.any(node.kid(0), ty), self.name());
        self.line(&format!("let {name} = {value};"));
        self.names.push((name, ty, false));
    }

    fn copy(&mut self, node: &Node) {
        let (words, thing) = (self.words, self.thing);
        self.line(&match node.detail(4) {
            0 => format!("spare_words = {words};"),
            1 => format!("{words} = spare_words;"),
            2 => format!("spare_thing = {thing};"),
            _ => format!("{thing} = spare_thing;"),
        });
    }

    fn branch(&mut self, node: &Node, rest: &[Node]) {
        let condition = self.boolean(node.kid(0));
        let (yes, no) = rest.split_at(rest.len().div_ceil(2));
        self.block(&format!("if {condition} {{"), "}", |inner| {
            inner.statements(yes)
        });
        if !no.is_empty() {
            self.block("else {", "}", |inner| inner.statements(no));
        }
    }

    fn switch(&mut self, node: &Node, rest: &[Node]) {
        let selector = self.index(node.kid(0), 5);
        self.block(&format!("switch {selector} {{"), "}", |inner| {
            for (at, arm) in rest.iter().enumerate() {
                let labels = match at {
                    0 => "case 0u, 3u: {".to_owned(),
                    _ => format!("case {}u: {{", if at >= 3 { at + 1 } else { at }),
                };
                inner.block(&labels, "}", |inner| {
                    inner.statement(arm);
                    if arm.detail(3) == 0 {
                        let condition = inner.boolean(arm.kid(0));
                        inner.block(&format!("if {condition} {{"), "}", |inner| {
                            inner.line("break;")
                        });
                    }
                    inner.statements(&arm.kids);
                });
            }
            inner.block("default: {", "}", |inner| inner.assign(node));
        });
    }

    fn looped(&mut self, counter: &str, inside: impl FnOnce(&mut Writer)) {
        self.names
            .push((counter.to_owned(), Type::Int(Sign::U, 1), false));
        self.loops += 1;
        inside(self);
        self.loops -= 1;
    }

    fn counted(&mut self, node: &Node, rest: &[Node]) {
        let at = self.name();
        let count = 1 + node.detail(4);
        let head = format!("for (var {at} = 0u; {at} < {count}u; {at}++) {{");
        self.block(&head, "}", |inner| {
            inner.looped(&at, |inner| inner.statements(rest))
        });
    }

    fn while_loop(&mut self, node: &Node, rest: &[Node]) {
        let at = self.name();
        let count = 1 + node.detail(4);
        let condition = self.boolean(node.kid(0));
        self.line(&format!("var {at} = 0u;"));
        self.block(
            &format!("while {at} < {count}u && {condition} {{"),
            "}",
            |inner| {
                inner.line(&format!("{at} += 1u;"));
                inner.looped(&at, |inner| inner.statements(rest));
            },
        );
    }

    fn endless(&mut self, node: &Node, rest: &[Node]) {
        let at = self.name();
        let count = 1 + node.detail(4);
        self.line(&format!("var {at} = 0u;"));
        self.block("loop {", "}", |inner| {
            inner.looped(&at, |inner| inner.statements(rest));
            inner.names.retain(|name| name.0 != at);
            inner.block("continuing {", "}", |inner| {
                inner.line(&format!("{at} += 1u;"));
                let also = ["", " || b0", " || u0 == 3u"][node.pick as usize >> 20 & 1];
                inner.line(&format!("break if {at} >= {count}u{also};"));
            });
        });
    }

    fn leave(&mut self, node: &Node) {
        let condition = self.boolean(node.kid(0));
        let word = ["break;", "continue;"][node.detail(2) as usize];
        self.block(&format!("if {condition} {{"), "}", |inner| inner.line(word));
    }

    fn early_return(&mut self, node: &Node) {
        let condition = self.boolean(node.kid(0));
        let text = match self.is_main {
            true => "return;".to_owned(),
            false => format!("return {};", self.int(node.kid(1), Sign::U, 1)),
        };
        self.block(&format!("if {condition} {{"), "}", |inner| {
            inner.line(&text)
        });
    }

    /// Of the whole dispatch: nobody looks at what it was in between, and each has one operation.
    fn total(&mut self, node: &Node) {
        let (signed, name) = TOTALS[node.detail(TOTALS.len() as u32) as usize];
        let slot = node.detail(TOTALS.len() as u32);
        let (array, sign) = match signed {
            true => ("signed_totals", Sign::I),
            false => ("totals", Sign::U),
        };
        let value = self.int(node.kid(0), sign, 1);
        self.line(&format!("{name}(&{array}[{slot}], {value});"));
    }

    /// Of the workgroup, likewise.
    fn count(&mut self, node: &Node) {
        let names = ["atomicAdd", "atomicXor", "atomicMax", "atomicOr"];
        let slot = node.detail(COUNTERS);
        let value = self.int(node.kid(0), Sign::U, 1);
        let name = names[slot as usize % names.len()];
        self.line(&format!("{name}(&counters[{slot}], {value});"));
    }
}
