use core::error::Error;

use naga::{Span, WithSpan};

/// The text that messages point into.
pub(super) struct Source<'a> {
    pub(super) kernel: &'a str,
    pub(super) text: &'a str,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

impl Source<'_> {
    /// The message of one of naga's errors, with the lines it is about.
    pub(super) fn explain<E: Error>(&self, error: &WithSpan<E>) -> Box<str> {
        error
            .emit_to_string_with_path(self.text, self.kernel)
            .trim_end()
            .into()
    }

    /// A message of ours about a part of the text.
    pub(super) fn point(&self, span: Span, label: &str, message: String) -> Box<str> {
        self.explain(&WithSpan::new(Message(message)).with_span(span, label))
    }
}
