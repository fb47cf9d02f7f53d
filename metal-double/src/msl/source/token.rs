//! The tokens of an MSL text, with where each lies.

use std::ops::Range;

/// What a token is, as far as the rewriting needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Identifier,
    Number,
    /// A string or character literal.
    Literal,
    /// One character; `[[` and `]]` are one token each.
    Punctuation,
    /// A whole preprocessor line, with its continuation lines.
    Directive,
}

/// A piece of the text that is neither space nor comment.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub at: Range<usize>,
}

/// Splits a text into tokens. Never fails: what is not understood is punctuation.
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    let mut line_start = true;
    let mut attributes = 0u32;
    while at < bytes.len() {
        let start = at;
        let rest = &bytes[at..];
        if rest[0] == b'\n' {
            line_start = true;
            at += 1;
            continue;
        }
        if rest[0].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if rest.starts_with(b"//") {
            at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
            continue;
        }
        if rest.starts_with(b"/*") {
            at += find(&rest[2..], b"*/").map_or(rest.len(), |n| n + 4);
            continue;
        }
        let kind = match rest[0] {
            b'#' if line_start => {
                at = end_of_directive(bytes, at);
                Kind::Directive
            }
            b'"' | b'\'' => {
                at = end_of_literal(bytes, at);
                Kind::Literal
            }
            c if c.is_ascii_alphabetic() || c == b'_' => {
                at += count(rest, |c| c.is_ascii_alphanumeric() || c == b'_');
                Kind::Identifier
            }
            c if c.is_ascii_digit()
                || (c == b'.' && rest.get(1).is_some_and(u8::is_ascii_digit)) =>
            {
                at = end_of_number(bytes, at);
                Kind::Number
            }
            _ => {
                if rest.starts_with(b"[[") {
                    attributes += 1;
                    at += 2;
                } else if attributes > 0 && rest.starts_with(b"]]") {
                    attributes -= 1;
                    at += 2;
                } else {
                    at += text[at..].chars().next().map_or(1, char::len_utf8);
                }
                Kind::Punctuation
            }
        };
        line_start = false;
        found.push(Token {
            kind,
            at: start..at,
        });
    }
    found
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

fn count(bytes: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|&b| !is_part(b))
        .unwrap_or(bytes.len())
}

fn end_of_directive(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'\n' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn end_of_literal(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote && bytes[at] != b'\n' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let hexadecimal = bytes[start..].starts_with(b"0x") || bytes[start..].starts_with(b"0X");
    let mut at = start;
    while at < bytes.len() {
        let c = bytes[at];
        let sign_of_exponent = (c == b'+' || c == b'-')
            && at > start
            && match bytes[at - 1] {
                b'e' | b'E' => !hexadecimal,
                b'p' | b'P' => true,
                _ => false,
            };
        if !(c.is_ascii_alphanumeric() || c == b'.' || c == b'_' || sign_of_exponent) {
            break;
        }
        at += 1;
    }
    at
}
