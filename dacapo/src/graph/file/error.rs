use crate::error::Error;
use crate::range::ByteRange;

/// Why a capture file was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphFileError {
    /// The file does not start with the magic bytes.
    #[error("no capture file: it starts with \"{}\", a capture file with \"DACAPOGR\"", found.escape_ascii())]
    NotAGraph {
        /// The first bytes of the file, at most eight.
        found: Vec<u8>,
    },
    /// The version of the format is not known.
    #[error("version {found} of the format is not known, only version {known} is")]
    Version {
        /// The version that the file states.
        found: u32,
        /// The version that can be read.
        known: u32,
    },
    /// The file ends in the middle of something, or a section does.
    #[error("cut short: {what} at byte {at} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: u64,
        /// How many bytes it needs at least.
        needed: u64,
        /// How many bytes are left.
        left: u64,
    },
    /// A part of the file is not what was written.
    #[error("damaged: the checksum of {what} does not match")]
    Checksum {
        /// The part.
        what: &'static str,
    },
    /// The sections are not those of the format.
    #[error("section {index} is of kind {found}; version 1 has kind {expected} there")]
    Section {
        /// The section's place.
        index: usize,
        /// The kind that the file states.
        found: u32,
        /// The kind that belongs there.
        expected: u32,
    },
    /// A count is larger than this reader or the rest of the file allows.
    #[error("{what} is {found}; {limit} is possible here")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The count that the file states.
        found: u64,
        /// The most that could be true.
        limit: u64,
    },
    /// Something follows the end of a part.
    #[error("{left} bytes follow the end of {what} at byte {at}")]
    Trailing {
        /// The part.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: u64,
        /// How many bytes follow.
        left: u64,
    },
    /// A text is not UTF-8.
    #[error("{what} at byte {at} is not valid UTF-8")]
    Utf8 {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: u64,
    },
    /// A number stands for nothing.
    #[error("{what} at byte {at} is {found}; allowed: {allowed}")]
    Tag {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: u64,
        /// What was found.
        found: u64,
        /// What would have been accepted.
        allowed: &'static str,
    },
    /// Something refers to what the file does not have.
    #[error("{what} at byte {at} is {found}; the file has {count}")]
    Index {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: u64,
        /// What was found.
        found: u32,
        /// How many there are.
        count: usize,
    },
    /// A range holds no byte, or does not lie in its buffer.
    #[error("bytes {range} at byte {at} are no part of buffer {buffer}, which has {size}")]
    Range {
        /// The range.
        range: ByteRange,
        /// The offset in the file, in bytes.
        at: u64,
        /// The buffer.
        buffer: u32,
        /// The buffer's length in bytes.
        size: u64,
    },
    /// What must ascend does not.
    #[error("{what} at byte {at} is not greater than the one before")]
    Order {
        /// What was being read.
        what: &'static str,
        /// The offset in the file, in bytes.
        at: u64,
    },
    /// Scopes are nested too deeply.
    #[error("scopes are nested more than {limit} deep")]
    Nesting {
        /// The deepest nesting allowed.
        limit: usize,
    },
    /// A buffer was given that the file does not have.
    #[error("there is no buffer {asked}; the file has {count} buffers")]
    NoSuchBuffer {
        /// Index or label.
        asked: Box<str>,
        /// How many buffers there are.
        count: usize,
    },
    /// A buffer was given by a label that several have.
    #[error(
        "{count} buffers are labelled {label:?}; give them by index, such as {first} and {second}"
    )]
    AmbiguousLabel {
        /// The label.
        label: Box<str>,
        /// How many have it.
        count: usize,
        /// The first of them.
        first: usize,
        /// The second of them.
        second: usize,
    },
    /// A buffer was given twice.
    #[error("buffer {index} {label:?} is given twice")]
    GivenTwice {
        /// The buffer.
        index: usize,
        /// Its label.
        label: Box<str>,
    },
    /// A given buffer has another length than the file's.
    #[error("buffer {index} {label:?} has {needed} bytes; the given view has {given}")]
    WrongLength {
        /// The buffer.
        index: usize,
        /// Its label.
        label: Box<str>,
        /// Length of the given view in bytes.
        given: u64,
        /// Length of the file's buffer in bytes.
        needed: u64,
    },
    /// The graph counts on subgroups of another size.
    #[error(
        "kernel {kernel:?} counts on subgroups, and was captured with {captured} invocations to a subgroup; the device has {found}"
    )]
    SubgroupSize {
        /// The kernel.
        kernel: Box<str>,
        /// The size where the graph was captured.
        captured: u32,
        /// The size of the device.
        found: u32,
    },
    /// A transfer does not bind what transfers bind.
    #[error("a {kernel} binds {found}; it takes {allowed}")]
    Transfer {
        /// Copy or fill.
        kernel: &'static str,
        /// What the file has.
        found: Box<str>,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A node was refused, as it would have been in live encoding.
    #[error("node {index}: {error}")]
    Node {
        /// The node.
        index: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

impl From<GraphFileError> for Error {
    fn from(error: GraphFileError) -> Error {
        Error::GraphFile(Box::new(error))
    }
}
