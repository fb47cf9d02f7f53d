//! Threadgroup variables in the bodies of kernels.

use std::fmt::Write as _;
use std::ops::Range;

use super::items::Item;
use super::rewrite::{Edits, Mode};
use super::{Kind, Source, kernel};

impl Edits<'_> {
    pub(super) fn threadgroup_variables(&mut self, item: &Item, body: usize, name: usize) {
        let this = kernel_expression(self.source, item, name);
        let close = item.tokens.end;
        let mut at = body;
        while at < close {
            let begins = matches!(
                self.source.token(at.saturating_sub(1)),
                ";" | "{" | "}" | ")" | "]]"
            );
            if self.source.token(at) == "threadgroup" && begins {
                let end = (at..close)
                    .find(|&i| self.source.token(i) == ";")
                    .unwrap_or(close);
                let pointer = (at..end).any(|i| matches!(self.source.token(i), "*" | "&" | "="));
                if !pointer {
                    let with = self.declarations(at + 1..end, &this);
                    self.replace(at..end + 1, with);
                }
                at = end;
            }
            at += 1;
        }
    }

    /// `T a[2], b;` as references to memory that belongs to the threadgroup.
    fn declarations(&mut self, range: Range<usize>, kernel: &str) -> String {
        let parts = kernel::split(self.source, range);
        let Some(first) = parts.first() else {
            return ";".to_owned();
        };
        let declarator = |part: &Range<usize>| {
            let dimensions = part
                .clone()
                .find(|&at| self.source.token(at) == "[")
                .unwrap_or(part.end);
            (dimensions - 1, dimensions)
        };
        let (name, _) = declarator(first);
        let element = self.source.spelled(first.start..name);
        let mut with = String::new();
        for part in &parts {
            let (name, dimensions) = declarator(part);
            let dimensions = self.source.spelled(dimensions..part.end);
            let name = self.source.token(name);
            let _ = match self.mode {
                Mode::Check => write!(
                    with,
                    "__local msl::type<{element}> (&{name}){dimensions} = *(__local msl::type<{element}> (*){dimensions})0; "
                ),
                Mode::Run { .. } => write!(
                    with,
                    "[[gnu::section(\"msl_threadgroup\"), gnu::used]] static const msl::ThreadgroupVariable msl_variable_{id} = {{(const void*)&{kernel}, sizeof(msl::type<{element}> {dimensions})}}; \
                     auto& {name} = msl::threadgroup_variable<msl::type<{element}> {dimensions}>({id}); ",
                    id = self.variables
                ),
            };
            self.variables += 1;
        }
        with
    }
}

/// How a kernel, or the instance of a template that a body belongs to, is called from its body.
fn kernel_expression(source: &Source, item: &Item, name: usize) -> String {
    let name = source.token(name);
    let start = item.tokens.start;
    if source.token(start) != "template" || source.token(start + 1) != "<" {
        return name.to_owned();
    }
    let Some(close) = source.closing_angle(start + 1) else {
        return name.to_owned();
    };
    let parameters = kernel::split(source, start + 2..close);
    let names = parameters.iter().filter_map(|part| {
        let end = part
            .clone()
            .find(|&at| source.token(at) == "=")
            .unwrap_or(part.end);
        (part.start..end)
            .rev()
            .find(|&at| source.kind(at) == Some(Kind::Identifier))
            .map(|at| source.token(at))
    });
    format!("{name}<{}>", names.collect::<Vec<_>>().join(", "))
}
