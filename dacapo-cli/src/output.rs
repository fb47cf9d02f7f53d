//! Standard output and standard error.

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

/// Standard output, buffered. A writer that is not finished loses what was not flushed.
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn new() -> Output {
        Output {
            out: BufWriter::new(io::stdout().lock()),
        }
    }

    /// Writes a value as it displays itself.
    pub(crate) fn write(&mut self, text: impl core::fmt::Display) -> Result<()> {
        write!(self.out, "{text}").map_err(Error::Output)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.out, value)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(Error::Output)
    }

    /// Hands over everything written so far.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::Output)
    }
}

/// Writes `value` as one line of JSON and nothing else.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut output = Output::new();
    output.json(value)?;
    output.flush()
}

/// Writes `text`, which ends its last line itself.
pub(crate) fn print(text: impl core::fmt::Display) -> Result<()> {
    let mut output = Output::new();
    output.write(text)?;
    output.flush()
}

/// Whether a file that was named is standard output.
pub(crate) fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes a file; `-` is standard output.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |out| out.write_all(bytes))
}

/// Writes a file piece by piece; `-` is standard output.
pub(crate) fn write_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    if is_dash(path) {
        let mut output = Output::new();
        write(&mut output.out).map_err(Error::Output)?;
        return output.flush();
    }
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    written.map_err(|source| Error::Write {
        name: path.display().to_string(),
        source,
    })
}

/// Writes a line to standard error.
pub(crate) fn tell(line: impl core::fmt::Display) {
    // Nothing is left to do when standard error is gone.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes an error with its causes to standard error, in one line.
pub(crate) fn complain(error: &dyn StdError) {
    tell(format_args!("error: {}", one_line(error)));
}

/// Writes an error to standard error as it is: compilers say in several lines what they mean.
pub(crate) fn explain(error: &dyn StdError) {
    let text = error.to_string();
    match (text.contains('\n'), text.starts_with("error")) {
        (false, _) => complain(error),
        (true, true) => tell(text),
        (true, false) => tell(format_args!("error: {text}")),
    }
}

/// The messages of an error and its causes, joined by `: `. A cause that the message before it ends with
/// is not repeated.
fn one_line(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !line.ends_with(&message) {
            line.push_str(": ");
            line.push_str(&message);
        }
        cause = error.source();
    }
    let words: Vec<&str> = line
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Chain {
        message: &'static str,
        source: Option<Box<Chain>>,
    }

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        let inner = Chain {
            message: "line 3\n  expected x\n",
            source: None,
        };
        let outer = Chain {
            message: "reading failed",
            source: Some(Box::new(inner)),
        };
        assert_eq!(one_line(&outer), "reading failed: line 3; expected x");
    }

    #[test]
    fn a_cause_that_the_message_contains_is_not_repeated() {
        let inner = Chain {
            message: "no such file",
            source: None,
        };
        let outer = Chain {
            message: "a.gguf: no such file",
            source: Some(Box::new(inner)),
        };
        assert_eq!(one_line(&outer), "a.gguf: no such file");
    }
}
