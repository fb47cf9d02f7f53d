//! Whether code asks how long buffers are.

/// How naga declares the lengths of buffers, among the arguments of a function.
const ARGUMENT: &str = "constant _mslBufferSizes& _buffer_sizes";
const ARGUMENT_OF_ENTRY: &str = ", constant _mslBufferSizes& _buffer_sizes [[buffer(";
const NAME: &str = "_buffer_sizes";

/// Whether the entry point takes the lengths.
pub(super) fn are_taken(text: &str) -> bool {
    text.contains(ARGUMENT_OF_ENTRY)
}

/// Takes the lengths out of the arguments of all functions, if none looks at them. naga declares them wherever a
/// buffer holds an array without a length, and a dispatch would have to bring them along.
pub(super) fn without_unused(text: String) -> String {
    if !are_taken(&text) || text.contains(&format!("{NAME}.")) {
        return text;
    }
    let shorter = text
        .replace(&format!(",\n    {ARGUMENT}\n"), "\n")
        .replace(&format!(", {NAME})"), ")");
    let Some((before, after)) = shorter.split_once(ARGUMENT_OF_ENTRY) else {
        return text;
    };
    let after = after.split_once('\n').map_or("", |(_, after)| after);
    let shorter = format!("{before}{after}");
    // Whatever else there is, is not understood here.
    match shorter.contains(NAME) {
        true => text,
        false => shorter,
    }
}
