//! Kernels' text, put together line by line.

use std::fmt::{Arguments, Write};

/// Writes a line to a text.
macro_rules! put {
    ($text:expr, $($line:tt)*) => { $crate::text::line($text, format_args!($($line)*)) };
}
pub(crate) use put;

pub(crate) fn line(text: &mut String, line: Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
