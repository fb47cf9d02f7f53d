//! The signatures of kernels.

use std::ops::Range;

use super::{Kind, Source};

/// Where a kernel's parameter comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// `[[buffer(n)]]`
    Buffer {
        index: u32,
        writes: bool,
        constant: bool,
    },
    /// `[[threadgroup(n)]]`, or a threadgroup reference without an attribute.
    Threadgroup { index: u32 },
    /// A position or count, by the name of its attribute.
    Place(String),
}

/// One parameter of a kernel.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub argument: Argument,
}

/// An entry point.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The name that the host asks for.
    pub name: String,
    /// What a C++ expression calls it: the name, with template arguments for an instantiation.
    pub expression: String,
    pub parameters: Vec<Parameter>,
    /// `[[max_total_threads_per_threadgroup(n)]]`
    pub max_total_threads: Option<u32>,
    /// The index of the definition among the source's items.
    pub(super) item: usize,
}

/// Attributes that give a place, each with the same name in the run-time header.
const PLACES: [&str; 18] = [
    "thread_position_in_grid",
    "threadgroup_position_in_grid",
    "thread_position_in_threadgroup",
    "thread_index_in_threadgroup",
    "thread_index_in_simdgroup",
    "simdgroup_index_in_threadgroup",
    "thread_index_in_quadgroup",
    "quadgroup_index_in_threadgroup",
    "threads_per_threadgroup",
    "dispatch_threads_per_threadgroup",
    "threadgroups_per_grid",
    "threads_per_grid",
    "grid_size",
    "threads_per_simdgroup",
    "thread_execution_width",
    "simdgroups_per_threadgroup",
    "dispatch_simdgroups_per_threadgroup",
    "quadgroups_per_threadgroup",
];

/// How many buffers a kernel can have.
const BUFFERS: u32 = 31;

/// Is the token the word `kernel` that begins a kernel's declaration, or the attribute?
pub fn marks_kernel(source: &Source, at: usize) -> bool {
    source.token(at) == "kernel" && source.kind(at) == Some(Kind::Identifier)
}

/// The kernels of a text, in its order.
pub fn kernels(source: &Source) -> Result<Vec<Kernel>, String> {
    let mut found = Vec::new();
    for (index, item) in source.items.iter().enumerate() {
        let (Some(open), Some(name)) = (item.parameters, item.name) else {
            continue;
        };
        let Some(word) = (item.tokens.start..open).find(|&at| marks_kernel(source, at)) else {
            continue;
        };
        let template = (item.tokens.start..word).any(|at| source.token(at) == "template");
        if item.body.is_none() {
            if template {
                found.push(instantiation(source, index, open, name)?);
            }
            continue;
        }
        if !template {
            found.push(definition(source, index, open, name)?);
        }
    }
    found.extend(host_named(source)?);
    for at in 1..found.len() {
        if found[..at].iter().any(|k| k.name == found[at].name) {
            return Err(format!(
                "program_source: error: two kernels are called {}\n",
                found[at].name
            ));
        }
    }
    Ok(found)
}

/// `typedef decltype(f<float>) name; template [[host_name("x")]] kernel name f<float>;`
fn host_named(source: &Source) -> Result<Vec<Kernel>, String> {
    let mut found = Vec::new();
    for item in &source.items {
        let range = item.tokens.clone();
        if item.parameters.is_some() || source.token(range.start) != "template" {
            continue;
        }
        let Some(word) = range.clone().find(|&at| marks_kernel(source, at)) else {
            continue;
        };
        let Some(angle) = (word..range.end).find(|&at| source.token(at) == "<") else {
            continue;
        };
        let name = angle - 1;
        let close = source.closing_angle(angle).unwrap_or(angle);
        found.push(instance(
            source,
            range.start..word,
            name,
            source.spelled(name..close + 1),
        )?);
    }
    Ok(found)
}

fn definition(source: &Source, item: usize, open: usize, name: usize) -> Result<Kernel, String> {
    let name = source.token(name).to_owned();
    let close = source.closing(open);
    let start = source.items[item].tokens.start;
    let attribute = (start..open).chain(close..source.items[item].body.unwrap_or(close));
    let mut attribute =
        attribute.filter(|&at| source.token(at) == "max_total_threads_per_threadgroup");
    let max_total_threads = attribute.next().and_then(|at| {
        source
            .token(at + 2)
            .trim_end_matches(['u', 'U'])
            .parse()
            .ok()
    });
    let parameters = parameters(source, open, close)?;
    Ok(Kernel {
        expression: name.clone(),
        name,
        parameters,
        max_total_threads,
        item,
    })
}

fn instantiation(source: &Source, item: usize, open: usize, name: usize) -> Result<Kernel, String> {
    let start = source.items[item].tokens.start;
    instance(source, start..name, name, source.spelled(name..open))
}

/// The template's own parameters count: an instantiation need not repeat attributes.
fn instance(
    source: &Source,
    head: Range<usize>,
    name: usize,
    expression: String,
) -> Result<Kernel, String> {
    let template = source.items.iter().position(|item| {
        item.body.is_some()
            && item
                .name
                .is_some_and(|n| source.token(n) == source.token(name))
    });
    let Some(template) = template else {
        return Err(source.error(
            name,
            &format!("no template {} to instantiate", source.token(name)),
        ));
    };
    let item = &source.items[template];
    let (Some(open), Some(defined)) = (item.parameters, item.name) else {
        return Err(source.error(name, "a kernel template without parameters"));
    };
    let mut kernel = definition(source, template, open, defined)?;
    let mut literals = head
        .filter(|&at| source.token(at) == "host_name")
        .map(|at| source.token(at + 2));
    kernel.name = literals
        .next()
        .map_or_else(|| kernel.name.clone(), |l| l.trim_matches('"').to_owned());
    kernel.expression = expression;
    Ok(kernel)
}

fn parameters(source: &Source, open: usize, close: usize) -> Result<Vec<Parameter>, String> {
    let mut found = Vec::new();
    let mut threadgroups = 0;
    for range in split(source, open + 1..close) {
        if source.spelled(range.clone()) == "void" {
            continue;
        }
        let parameter = parameter(source, range, &mut threadgroups)?;
        found.push(parameter);
    }
    Ok(found)
}

/// The parts of a range between commas that are in no brackets.
pub fn split(source: &Source, range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = range.start;
    let mut at = range.start;
    while at < range.end {
        match source.token(at) {
            "(" | "[" | "{" | "[[" => at = source.closing(at),
            "<" => at = source.closing_angle(at).unwrap_or(at),
            "," => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if start < range.end {
        parts.push(start..range.end);
    }
    parts
}

fn parameter(
    source: &Source,
    range: Range<usize>,
    threadgroups: &mut u32,
) -> Result<Parameter, String> {
    let has = |word: &str| range.clone().any(|at| source.token(at) == word);
    let attributes = range.clone().find(|&at| source.token(at) == "[[");
    let declarator = range.start..attributes.unwrap_or(range.end);
    let name = declarator
        .clone()
        .rev()
        .find(|&at| source.kind(at) == Some(Kind::Identifier));
    let name = name.map_or("", |at| source.token(at)).to_owned();
    let attribute = |word: &str| {
        attributes.and_then(|open| (open..range.end).find(|&at| source.token(at) == word))
    };
    let number = |at: usize| {
        source
            .token(at + 2)
            .parse::<u32>()
            .map_err(|_| source.error(at, &format!("the index of '{name}' must be a number")))
    };
    let memory = if has("*") || has("&") {
        "pointer"
    } else {
        "value"
    };
    let argument = if let Some(at) = attribute("buffer") {
        let index = number(at)?;
        if index >= BUFFERS {
            return Err(source.error(
                at,
                &format!(
                    "'buffer' attribute parameter is out of bounds: must be between 0 and {}",
                    BUFFERS - 1
                ),
            ));
        }
        if memory == "value" || !(has("device") || has("constant")) {
            return Err(source.error(
                at,
                &format!("invalid type of '{name}' for buffer declaration"),
            ));
        }
        let constant = has("constant");
        Argument::Buffer {
            index,
            writes: !constant && !has("const"),
            constant,
        }
    } else if has("threadgroup") {
        let index = attribute("threadgroup")
            .map(number)
            .transpose()?
            .unwrap_or(*threadgroups);
        *threadgroups = index + 1;
        Argument::Threadgroup { index }
    } else if let Some(place) = PLACES.iter().find(|place| attribute(place).is_some()) {
        Argument::Place((*place).to_owned())
    } else if attribute("texture").is_some() || attribute("sampler").is_some() {
        return Err(source.error(
            range.start,
            &format!("textures and samplers are not supported by this double ('{name}')"),
        ));
    } else {
        return Err(source.error(
            range.start,
            &format!("invalid type or attribute of the kernel's parameter '{name}'"),
        ));
    };
    Ok(Parameter { name, argument })
}
