//! Declarations at program scope.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{FunctionConstant, Kind, Source};

/// One declaration or definition at namespace scope.
#[derive(Clone, Debug)]
pub struct Item {
    pub tokens: Range<usize>,
    /// The `{` of a function's body.
    pub body: Option<usize>,
    /// The `(` of a function's parameters.
    pub parameters: Option<usize>,
    /// What the item declares, if it is a function or variable.
    pub name: Option<usize>,
}

/// Splits a text into its items; the inside of namespaces counts as program scope.
pub fn items(source: &Source) -> Vec<Item> {
    let mut found = Vec::new();
    let mut at = 0;
    let end = source.tokens.len();
    while at < end {
        if source.kind(at) == Some(Kind::Directive) || matches!(source.token(at), ";" | "}") {
            at += 1;
            continue;
        }
        if source.token(at) == "namespace" {
            while at < end && !matches!(source.token(at), "{" | ";" | "=") {
                at += 1;
            }
            at += 1;
            continue;
        }
        let item = item(source, at);
        at = item.tokens.end.max(at + 1);
        found.push(item);
    }
    found
}

fn item(source: &Source, start: usize) -> Item {
    let end = source.tokens.len();
    let mut item = Item {
        tokens: start..end,
        body: None,
        parameters: None,
        name: None,
    };
    let mut at = start;
    let mut assigned = false;
    let mut aggregate = false;
    while at < end {
        match source.token(at) {
            "template" if source.token(at + 1) == "<" => {
                at = source.closing_angle(at + 1).unwrap_or(at + 1);
            }
            "struct" | "class" | "enum" | "union" => aggregate = true,
            "=" => {
                assigned = true;
                item.name = item.name.or(at.checked_sub(1));
            }
            "<" if !assigned && at > start && source.kind(at - 1) == Some(Kind::Identifier) => {
                at = source.closing_angle(at).unwrap_or(at);
            }
            "(" => {
                let callee = at.saturating_sub(1);
                if !assigned && item.parameters.is_none() {
                    item.parameters = Some(at);
                    item.name = item.name.or(Some(name_before(source, start, callee)));
                }
                at = source.closing(at);
            }
            "[" => {
                item.name = item.name.or(at.checked_sub(1));
                at = source.closing(at);
            }
            "[[" => at = source.closing(at),
            "{" => {
                let close = source.closing(at);
                if item.parameters.is_some() && !assigned {
                    item.body = Some(at);
                    item.tokens.end = (close + 1).min(end);
                    return item;
                }
                if !aggregate {
                    item.name = item.name.or(at.checked_sub(1));
                }
                at = close;
            }
            ";" => {
                item.tokens.end = at + 1;
                item.name = item.name.or(at.checked_sub(1));
                return item;
            }
            _ => {}
        }
        at += 1;
    }
    item
}

/// The function's name before its `(`, over template arguments if there are any.
fn name_before(source: &Source, start: usize, mut at: usize) -> usize {
    if source.token(at) == ">" {
        let mut depth = 0;
        while at > start {
            match source.token(at) {
                ">" => depth += 1,
                "<" => depth -= 1,
                _ => {}
            }
            at -= 1;
            if depth == 0 {
                break;
            }
        }
    }
    at
}

/// The function constants of the text.
pub fn constants(source: &Source) -> Result<Vec<FunctionConstant>, String> {
    let mut found = Vec::new();
    for item in &source.items {
        let range = item.tokens.clone();
        let Some(at) = range
            .clone()
            .find(|&at| source.token(at) == "function_constant")
        else {
            continue;
        };
        if item.body.is_some() || source.token(at.saturating_sub(1)) != "[[" {
            return Err(source.error(
                at,
                "function_constant is only supported on declarations at program scope",
            ));
        }
        let index = source.token(at + 2).parse();
        let index = index
            .map_err(|_| source.error(at, "the index of a function constant must be a number"))?;
        let name = at - 2;
        let type_name = source.spelled(range.start..name);
        let words = type_name
            .split(' ')
            .filter(|w| !matches!(*w, "constant" | "const" | "static"));
        let type_name = words
            .map(|w| w.trim_start_matches("metal::"))
            .collect::<Vec<_>>()
            .join(" ");
        found.push(FunctionConstant {
            name: source.token(name).to_owned(),
            index,
            type_name,
        });
    }
    Ok(found)
}

/// Every identifier that an item mentions, or that what it mentions mentions.
pub fn reachable(source: &Source, item: usize) -> BTreeSet<&str> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, item) in source.items.iter().enumerate() {
        if let Some(name) = item.name {
            by_name.entry(source.token(name)).or_default().push(at);
        }
    }
    let mut seen = BTreeSet::new();
    let mut visited = BTreeSet::new();
    let mut open = vec![item];
    while let Some(item) = open.pop() {
        if !visited.insert(item) {
            continue;
        }
        for at in source.items[item].tokens.clone() {
            if source.kind(at) == Some(Kind::Identifier) && seen.insert(source.token(at)) {
                open.extend(by_name.get(source.token(at)).into_iter().flatten());
            }
        }
    }
    seen
}
