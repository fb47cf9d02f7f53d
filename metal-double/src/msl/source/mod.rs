//! An MSL text as the double reads it: its kernels and function constants, and the two
//! spellings of it that clang understands.

mod constructors;
mod entries;
mod items;
mod kernel;
mod rewrite;
mod spaces;
mod token;
mod variables;

use std::collections::BTreeSet;
use std::ops::Range;

pub use kernel::{Argument, Kernel};
pub use rewrite::{Mode, rewritten};
pub use token::{Kind, Token};

/// `constant T name [[function_constant(index)]];`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConstant {
    /// The name in the text.
    pub name: String,
    /// What `MTLFunctionConstantValues` calls it by.
    pub index: u32,
    /// The type as the text spells it, without namespace.
    pub type_name: String,
}

/// A text and what was found in it.
#[derive(Debug)]
pub struct Source {
    text: String,
    tokens: Vec<Token>,
    items: Vec<items::Item>,
    /// Entry points by the names that Metal gives them.
    pub kernels: Vec<Kernel>,
    /// All function constants of the text.
    pub constants: Vec<FunctionConstant>,
}

impl Source {
    /// Reads a text.
    ///
    /// # Errors
    /// What the double does not support, or a kernel's signature that cannot be read, with its line.
    pub fn read(text: &str) -> Result<Self, String> {
        let tokens = token::tokens(text);
        let mut source = Self {
            text: text.to_owned(),
            items: Vec::new(),
            kernels: Vec::new(),
            constants: Vec::new(),
            tokens,
        };
        source.items = items::items(&source);
        source.constants = items::constants(&source)?;
        source.kernels = kernel::kernels(&source)?;
        spaces::check(&source)?;
        Ok(source)
    }

    fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |t| &self.text[t.at.clone()])
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|t| t.kind)
    }

    /// The tokens of a range, spaced by one blank where needed.
    fn spelled(&self, range: Range<usize>) -> String {
        let mut text = String::new();
        for at in range {
            if !(text.is_empty() || self.token(at) == ":" || text.ends_with(':')) {
                text.push(' ');
            }
            text.push_str(self.token(at));
        }
        text
    }

    /// The line of a token, counted from 1.
    fn line(&self, at: usize) -> usize {
        let end = self.tokens.get(at).map_or(self.text.len(), |t| t.at.start);
        1 + self.text[..end].bytes().filter(|&b| b == b'\n').count()
    }

    fn error(&self, at: usize, message: &str) -> String {
        format!("program_source:{}: error: {message}\n", self.line(at))
    }

    /// The index of the bracket that closes the one at `open`; the end of the tokens if none does.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0i32;
        for at in open..self.tokens.len() {
            match self.token(at) {
                "(" | "[" | "{" | "[[" => depth += 1,
                ")" | "]" | "}" | "]]" => {
                    depth -= 1;
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// The index of the `>` that closes the `<` at `open`, if the angle brackets are well formed.
    fn closing_angle(&self, open: usize) -> Option<usize> {
        let mut depth = 0i32;
        let mut at = open;
        while at < self.tokens.len() {
            match self.token(at) {
                "<" => depth += 1,
                ">" => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                "(" | "[" | "{" | "[[" => at = self.closing(at),
                ";" | "}" | ")" => return None,
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// Refuses types that the version of the language does not have.
    ///
    /// # Errors
    /// The type's first use, and the version that has it.
    pub fn check_language(&self, language: (u32, u32)) -> Result<(), String> {
        for (prefix, (major, minor)) in [
            ("bfloat", (3, 1)),
            ("simdgroup_float", (2, 3)),
            ("simdgroup_half", (2, 3)),
        ] {
            let uses = |at: &usize| {
                self.kind(*at) == Some(Kind::Identifier) && self.token(*at).starts_with(prefix)
            };
            if language < (major, minor)
                && let Some(at) = (0..self.tokens.len()).find(uses)
            {
                let name = self.token(at);
                return Err(self.error(at, &format!("'{name}' needs Metal {major}.{minor}")));
            }
        }
        Ok(())
    }

    /// Does the text ask whether the constant has a value?
    pub fn asks_for(&self, constant: &str) -> bool {
        let asks = |at: usize| {
            self.token(at) == "is_function_constant_defined" && self.token(at + 2) == constant
        };
        (0..self.tokens.len()).any(asks)
    }

    /// Constants that a kernel uses, itself or through what it calls.
    pub fn constants_of(&self, kernel: &Kernel) -> Vec<FunctionConstant> {
        let used: BTreeSet<&str> = items::reachable(self, kernel.item);
        let wanted = |c: &&FunctionConstant| used.contains(c.name.as_str());
        self.constants.iter().filter(wanted).cloned().collect()
    }
}
