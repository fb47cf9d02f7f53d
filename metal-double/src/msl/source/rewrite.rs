//! The spellings of MSL that no mode of clang parses, put into ones that it does. Lines stay
//! where they are, so that clang's messages name the lines of the MSL text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use super::items::Item;
use super::{Kind, Source, kernel};

/// For whom the text is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode<'a> {
    /// clang's C++ for OpenCL, with address spaces.
    Check,
    /// C++20 with one address space; gives each function constant its C++ value.
    Run {
        constants: &'a BTreeMap<String, String>,
    },
}

/// Headers of Metal, all of which the double's one header stands for.
const HEADERS: [&str; 16] = [
    "metal_stdlib",
    "metal_math",
    "metal_atomic",
    "metal_integer",
    "metal_common",
    "metal_compute",
    "metal_matrix",
    "metal_simdgroup",
    "metal_simdgroup_matrix",
    "metal_types",
    "metal_pack",
    "metal_relational",
    "metal_geometric",
    "metal_quadgroup",
    "simd/simd.h",
    "simd.h",
];

/// Words that are free in MSL and taken in the language that clang is told to read.
const TAKEN_BY_OPENCL: [&str; 8] = [
    "local",
    "global",
    "generic",
    "pipe",
    "read_only",
    "write_only",
    "read_write",
    "event_t",
];
const TAKEN_BY_CPP: [&str; 8] = [
    "concept",
    "requires",
    "constinit",
    "consteval",
    "char8_t",
    "co_await",
    "co_return",
    "co_yield",
];

struct Edits<'a> {
    source: &'a Source,
    mode: Mode<'a>,
    /// What stands in place of a range of bytes; in order of their starts, never overlapping.
    edits: BTreeMap<usize, (usize, String)>,
    variables: u32,
}

/// The text for clang, with a first line that sets its name for messages.
///
/// # Errors
/// An include of something that is not Metal's.
pub fn rewritten(source: &Source, mode: Mode<'_>) -> Result<String, String> {
    let mut edits = Edits {
        source,
        mode,
        edits: BTreeMap::new(),
        variables: 0,
    };
    edits.directives()?;
    edits.duplicates();
    edits.constants();
    edits.kernels();
    edits.words();
    edits.constructors();
    let mut text = String::from("#line 1 \"program_source\"\n");
    let mut from = 0;
    for (&start, (end, with)) in &edits.edits {
        if start < from {
            continue;
        }
        text.push_str(&source.text[from..start]);
        text.push_str(with);
        from = *end;
    }
    text.push_str(&source.text[from..]);
    text.push('\n');
    if matches!(mode, Mode::Run { .. }) {
        entries(source, &mut text);
    }
    Ok(text)
}

impl Edits<'_> {
    fn replace(&mut self, tokens: Range<usize>, with: String) {
        let start = self.source.tokens[tokens.start].at.start;
        let end = self.source.tokens[tokens.end - 1].at.end;
        let lines = self.source.text[start..end]
            .bytes()
            .filter(|&b| b == b'\n')
            .count();
        if self
            .edits
            .get(&start)
            .is_none_or(|(before, _)| *before <= end)
        {
            self.edits.insert(start, (end, with + &"\n".repeat(lines)));
        }
    }

    fn run(&self) -> bool {
        matches!(self.mode, Mode::Run { .. })
    }

    fn directives(&mut self) -> Result<(), String> {
        for at in 0..self.source.tokens.len() {
            if self.source.kind(at) != Some(Kind::Directive) {
                continue;
            }
            let line = self.source.token(at)[1..].trim_start();
            let Some(file) = line.strip_prefix("include") else {
                continue;
            };
            let file = file.trim().trim_matches(['<', '>', '"']);
            if !HEADERS.contains(&file) {
                return Err(self.source.error(at, &format!("'{file}' file not found")));
            }
            self.replace(at..at + 1, String::new());
        }
        Ok(())
    }

    /// In one address space, overloads that differ only in theirs are one function. Bodies that
    /// differ are left for clang to refuse.
    fn duplicates(&mut self) {
        if !self.run() {
            return;
        }
        let mut seen = BTreeMap::new();
        for item in &self.source.items {
            if item.body.is_none() || item.parameters.is_none() {
                continue;
            }
            let words = item.tokens.clone().map(|at| self.source.token(at));
            let bare = words.filter(|w| {
                !matches!(
                    *w,
                    "device" | "constant" | "threadgroup" | "thread" | "const"
                )
            });
            let bare = bare.collect::<Vec<_>>().join(" ");
            if seen.insert(bare, ()).is_some() {
                self.replace(item.tokens.clone(), String::new());
            }
        }
    }

    fn constants(&mut self) {
        for item in &self.source.items {
            let range = item.tokens.clone();
            let Some(at) = range
                .clone()
                .find(|&at| self.source.token(at) == "function_constant")
            else {
                self.program_constant(item);
                continue;
            };
            let name = self.source.token(at - 2).to_owned();
            let type_name = self
                .source
                .spelled(range.start..at - 2)
                .replace("constant ", "")
                .replace("const ", "");
            let with = match self.mode {
                Mode::Check => format!("MSL_PROGRAM_CONSTANT {type_name} {name} = {{}};"),
                Mode::Run { constants } => match constants.get(&name) {
                    Some(value) => format!("constexpr {type_name} {name} = {value};"),
                    None => format!("extern __attribute__((weak)) const {type_name} {name};"),
                },
            };
            self.replace(range, with);
        }
    }

    /// Memory that belongs to the program and not to a buffer is a kind of its own for clang.
    fn program_constant(&mut self, item: &Item) {
        if self.run() || item.body.is_some() {
            return;
        }
        let Some(word) = item
            .tokens
            .clone()
            .find(|&at| self.source.token(at) == "constant")
        else {
            return;
        };
        let declares = item.name.is_some_and(|name| word < name)
            && !matches!(
                self.source.token(item.tokens.start),
                "template" | "typedef" | "using" | "struct"
            );
        if !declares
            || item
                .parameters
                .is_some_and(|p| item.name.is_some_and(|n| n + 1 == p))
        {
            return;
        }
        self.replace(word..word + 1, "MSL_PROGRAM_CONSTANT".to_owned());
        let Some(name) = item.name.filter(|&name| self.source.token(name + 1) == "[") else {
            return;
        };
        let name = self.source.token(name).to_owned();
        for at in item.tokens.end..self.source.tokens.len() {
            if self.source.token(at) == name && self.source.token(at + 1) != "[" {
                self.replace(at..at + 1, format!("msl_table({name})"));
            }
        }
    }

    fn kernels(&mut self) {
        for item in &self.source.items {
            let range = item.tokens.clone();
            let head = range.start..item.body.or(item.parameters).unwrap_or(range.end);
            let Some(word) = head
                .clone()
                .find(|&at| kernel::marks_kernel(self.source, at))
            else {
                continue;
            };
            if self.source.token(word - usize::from(word > 0)) != "[[" {
                self.replace(word..word + 1, String::new());
            }
            let instantiates = item.body.is_none() && self.source.token(range.start) == "template";
            if instantiates && self.run() {
                self.replace(range.clone(), String::new());
            }
            if let (Some(body), Some(name)) = (item.body, item.name) {
                self.threadgroup_variables(item, body, name);
            }
        }
    }

    fn threadgroup_variables(&mut self, item: &Item, body: usize, name: usize) {
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

    /// Attributes go; literals and casts get the spelling of C++.
    fn words(&mut self) {
        let mut at = 0;
        while at < self.source.tokens.len() {
            let token = self.source.token(at);
            let next = self.source.token(at + 1);
            match self.source.kind(at) {
                Some(Kind::Punctuation) if token == "[[" => {
                    let close = self.source.closing(at).min(self.source.tokens.len() - 1);
                    self.replace(at..close + 1, String::new());
                    at = close;
                }
                Some(Kind::Number) => {
                    if let Some(with) = literal(token, self.run()) {
                        self.replace(at..at + 1, with);
                    }
                }
                Some(Kind::Identifier)
                    if token == "is_function_constant_defined" && next == "(" =>
                {
                    let defined = match self.mode {
                        Mode::Check => true,
                        Mode::Run { constants } => {
                            constants.contains_key(self.source.token(at + 2))
                        }
                    };
                    self.replace(at..at + 4, format!("({defined})"));
                    at += 3;
                }
                Some(Kind::Identifier) if self.taken(token) => {
                    self.replace(at..at + 1, format!("msl_word_{token}"));
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// clang has no `T(x, y)` for its own vectors. The header has macros for their usual names;
    /// other names are found here.
    fn constructors(&mut self) {
        if self.run() {
            return;
        }
        let names = vector_names(self.source);
        for at in 0..self.source.tokens.len() {
            let before = self.source.token(at.wrapping_sub(1));
            let calls =
                self.source.token(at + 1) == "(" && !matches!(self.source.token(at + 2), "&" | "*");
            if calls
                && names.contains(self.source.token(at))
                && !matches!(before, "." | "~" | "operator")
            {
                let name = self.source.token(at);
                self.replace(at..at + 1, format!("msl::construct<{name}>"));
            }
            // vec<T, 4>(x)
            if self.source.token(at) == "vec" && self.source.token(at + 1) == "<" {
                let close = self.source.closing_angle(at + 1).unwrap_or(at);
                let calls = self.source.token(close + 1) == "("
                    && !matches!(self.source.token(close + 2), "&" | "*");
                if calls && before != "::" {
                    let name = self.source.spelled(at..close + 1);
                    self.replace(at..close + 1, format!("msl::construct<{name}>"));
                }
            }
        }
    }

    fn taken(&self, word: &str) -> bool {
        match self.mode {
            Mode::Check => TAKEN_BY_OPENCL.contains(&word),
            Mode::Run { .. } => TAKEN_BY_CPP.contains(&word),
        }
    }
}

/// Names that may stand for vectors: aliases of them, and type parameters of templates.
fn vector_names(source: &Source) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for at in 0..source.tokens.len() {
        match source.token(at) {
            "typedef" => {
                let end = (at..source.tokens.len())
                    .find(|&i| matches!(source.token(i), ";" | "[" | "{" | "("));
                if let Some(end) = end
                    .filter(|&end| source.token(end) == ";" && is_vector(source, at + 1..end - 1))
                {
                    names.insert(source.token(end - 1));
                }
            }
            "using" if source.token(at + 2) == "=" => {
                let end = (at..source.tokens.len()).find(|&i| source.token(i) == ";");
                if end.is_some_and(|end| is_vector(source, at + 3..end)) {
                    names.insert(source.token(at + 1));
                }
            }
            "template" if source.token(at + 1) == "<" => {
                let close = source.closing_angle(at + 1).unwrap_or(at);
                for part in kernel::split(source, at + 2..close) {
                    if matches!(source.token(part.start), "typename" | "class") {
                        names.insert(source.token(part.start + 1));
                    }
                }
            }
            _ => {}
        }
    }
    names
}

fn is_vector(source: &Source, range: Range<usize>) -> bool {
    let start = if source.token(range.start) == "metal" {
        range.start + 3
    } else {
        range.start
    };
    let name = source.token(start);
    if name == "vec" {
        return true;
    }
    let scalar = name
        .trim_start_matches("packed_")
        .strip_suffix(['2', '3', '4']);
    let known = [
        "bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half",
        "float", "bfloat",
    ];
    scalar.is_some_and(|scalar| known.contains(&scalar)) && start + 1 == range.end
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

/// MSL has no double: a literal without suffix is a float. `h` and `bf` are suffixes of its own.
fn literal(token: &str, run: bool) -> Option<String> {
    let hexadecimal = token.starts_with("0x") || token.starts_with("0X");
    let lower = token.to_ascii_lowercase();
    if !hexadecimal {
        if let Some(number) = lower.strip_suffix("bf") {
            return Some(format!("bfloat({}f)", with_point(number)));
        }
        if let Some(number) = lower.strip_suffix('h') {
            return run.then(|| format!("half({}f)", with_point(number)));
        }
    }
    let floating = if hexadecimal {
        lower.contains('p')
    } else {
        lower.contains(['.', 'e'])
    };
    (floating && !lower.ends_with('f')).then(|| format!("{token}f"))
}

fn with_point(number: &str) -> String {
    if number.contains(['.', 'e']) {
        number.to_owned()
    } else {
        format!("{number}.0")
    }
}

/// The table of kernels that the host looks for.
fn entries(source: &Source, text: &mut String) {
    text.push_str("extern \"C\" __attribute__((visibility(\"default\"))) const msl::Kernel msl_kernels[] = {\n");
    for kernel in &source.kernels {
        let places = kernel.arguments.iter().map(|argument| match argument {
            super::Argument::Buffer { index, .. } => format!("msl::buffer<{index}>"),
            super::Argument::Threadgroup { index } => format!("msl::threadgroup_argument<{index}>"),
            super::Argument::Place(place) => format!("msl::{place}"),
        });
        let places = places.collect::<Vec<_>>().join(", ");
        let function = &kernel.expression;
        let _ = writeln!(
            text,
            "{{\"{name}\", (const void*)&{function}, [](const msl::Thread* t) MSL_UNWATCHED {{ msl::call<{places}>(&{function}, t); }}, \
             msl::argument_sizes(&{function}), msl::argument_count(&{function})}},",
            name = kernel.name
        );
    }
    text.push_str("{}};\n");
}
