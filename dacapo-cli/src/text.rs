//! Texts from files and standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::output::{is_dash, tell};

/// Most bytes of a text that are read: far more than fits into any context.
const MAX_TEXT: u64 = 256 << 20;

const STDIN: &str = "standard input";

/// The text of a file, or of standard input for `-`.
pub(crate) fn read_file(path: &Path) -> Result<String> {
    if is_dash(path) {
        return read_stdin();
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read(file, name, MAX_TEXT),
        Err(source) => Err(Error::Read { name, source }),
    }
}

/// The text of standard input.
pub(crate) fn read_stdin() -> Result<String> {
    if io::stdin().is_terminal() {
        tell("reading the text from the terminal; Ctrl-D on an empty line ends it");
    }
    read(io::stdin().lock(), STDIN.to_owned(), MAX_TEXT)
}

/// All bytes of a source, which may not have more than `limit`; `what` it is, for the error.
pub(crate) fn bytes(
    source: impl Read,
    name: &str,
    what: &'static str,
    limit: u64,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = source.take(limit + 1).read_to_end(&mut bytes);
    let name = || name.to_owned();
    match read {
        Err(source) => Err(Error::Read {
            name: name(),
            source,
        }),
        Ok(_) if bytes.len() as u64 > limit => Err(Error::TooLong {
            name: name(),
            what,
            limit,
        }),
        Ok(_) => Ok(bytes),
    }
}

fn read(source: impl Read, name: String, limit: u64) -> Result<String> {
    let bytes = bytes(source, &name, "text", limit)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::NotText { name, at }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<String> {
        read(bytes, "here".to_owned(), 5)
    }

    #[test]
    fn texts_are_bounded_utf8() {
        assert_eq!(read_bytes("café".as_bytes()).unwrap(), "café");
        let message = read_bytes(b"abcdef").unwrap_err().to_string();
        assert!(
            message.contains("here") && message.contains("5 bytes"),
            "{message}"
        );
        let message = read_bytes(b"ab\xff").unwrap_err().to_string();
        assert!(message.contains("offset 2"), "{message}");
    }
}
