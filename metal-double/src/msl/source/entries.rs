//! The table by which the host finds kernels in an object.

use std::fmt::Write as _;

use super::Source;

/// The table of kernels that the host looks for.
pub fn write(source: &Source, text: &mut String) {
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
