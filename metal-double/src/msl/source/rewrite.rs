//! The spellings of MSL that no mode of clang parses, put into ones that it does. Lines stay
//! where they are, so that clang's messages name the lines of the MSL text.

use std::collections::BTreeMap;
use std::ops::Range;

use super::items::Item;
use super::{Kind, Source, entries, kernel};

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

/// Changes to a text, gathered before any is made.
pub(super) struct Edits<'a> {
    pub(super) source: &'a Source,
    pub(super) mode: Mode<'a>,
    /// What stands in place of a range of bytes; in order of their starts, never overlapping.
    edits: BTreeMap<usize, (usize, String)>,
    /// Threadgroup variables so far.
    pub(super) variables: u32,
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
        entries::write(source, &mut text);
    }
    Ok(text)
}

impl Edits<'_> {
    pub(super) fn replace(&mut self, tokens: Range<usize>, with: String) {
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

    pub(super) fn run(&self) -> bool {
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

    fn taken(&self, word: &str) -> bool {
        match self.mode {
            Mode::Check => TAKEN_BY_OPENCL.contains(&word),
            Mode::Run { .. } => TAKEN_BY_CPP.contains(&word),
        }
    }
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
