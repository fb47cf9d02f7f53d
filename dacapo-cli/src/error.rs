use std::io;
use std::path::PathBuf;

use dacapo_llm::chat::ChatError;
use dacapo_llm::tokenizer::TokenizerError;
use dacapo_profile::PeaksError;

/// The result of a fallible function of this crate.
pub(crate) type Result<T, E = Error> = core::result::Result<T, E>;

/// What ends the command early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The runtime refused or failed.
    #[error(transparent)]
    Runtime(#[from] dacapo::Error),
    /// A device could not be measured.
    #[error(transparent)]
    Peaks(#[from] PeaksError),
    /// The model's files or decoder refused or failed.
    #[error(transparent)]
    Model(#[from] dacapo_llm::Error),
    /// A text cannot be encoded, or a token not decoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model's chat template refused the messages.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A chat was asked for and the model has no template for one.
    #[error("{}: the model has no chat template; --raw passes the prompt as it is", path.display())]
    NoChatTemplate { path: PathBuf },
    /// There is nothing to continue.
    #[error("the prompt is empty, and this model's tokenizer adds no start token")]
    EmptyPrompt,
    /// There is nothing to measure.
    #[error("{name}: the text has {tokens} token(s); at least two are needed to score one")]
    TextTooShort { name: String, tokens: usize },
    /// No model was named and the default one is not there.
    #[error("no model was named and the default one, {}, is missing; `python3 scripts/fetch-model` gets it", path.display())]
    NoDefaultModel { path: PathBuf },
    /// No model was named and there is no place to look for one.
    #[error(
        "no model was named, and there is no cache folder for the default one: {hint} is not set"
    )]
    NoCacheFolder { hint: &'static str },
    /// There is no place for what tuning finds.
    #[error(
        "there is no cache folder to keep tuned settings in: neither HOME nor XDG_CACHE_HOME, or LOCALAPPDATA on Windows, is set"
    )]
    NoSettingsFolder,
    /// A text could not be read.
    #[error("{name}: {source}")]
    Read {
        name: String,
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{name}: {source}")]
    Write {
        name: String,
        #[source]
        source: io::Error,
    },
    /// A file is no profile that can be read.
    #[error("{name}: {source}")]
    Profile {
        name: String,
        #[source]
        source: dacapo_profile::ProfileError,
    },
    /// A file or a text is longer than this program reads.
    #[error("{name}: the {what} is longer than {limit} bytes, the most that is read")]
    TooLong {
        name: String,
        what: &'static str,
        limit: u64,
    },
    /// A text is not UTF-8.
    #[error("{name}: not UTF-8 text: the byte at offset {at} does not belong there")]
    NotText { name: String, at: usize },
    /// Standard output could not be written.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// An environment variable has a value that is not allowed.
    #[error("{name}={value:?} is not allowed; allowed: {allowed}")]
    Environment {
        name: &'static str,
        value: String,
        allowed: &'static str,
    },
    /// The operations cannot be compiled for a device.
    #[error(transparent)]
    Ops(#[from] dacapo_ops::Error),
    /// A file is no capture file, or a damaged one.
    #[error("{name}: {source}")]
    Capture {
        name: String,
        #[source]
        source: dacapo::GraphFileError,
    },
    /// A file's kernels are native, and the file is not trusted.
    #[error("native kernels of capture files run only with --trust")]
    Untrusted {
        #[source]
        source: dacapo::Error,
    },
    /// Two devices wrote different things.
    #[error("{difference}")]
    Differs { difference: String },
    /// A plan has fewer nodes.
    #[error("node {node} is not in the plan; it has nodes 0 to {}", nodes.saturating_sub(1))]
    NoNode { node: usize, nodes: usize },
    /// A WGSL text cannot be run.
    #[error("{message}")]
    Wgsl { message: String },
    /// A specification of what to check is wrong.
    #[error("{name}: {message}")]
    Spec { name: String, message: String },
    /// Something could not be checked.
    #[error(transparent)]
    Unchecked { source: Box<Error> },
    /// Ctrl-C could not be caught.
    #[error("catching Ctrl-C: {0}")]
    Signal(io::Error),
    /// Arguments that do not fit together; reported like clap's own complaints.
    #[error("{message}")]
    Usage {
        command: &'static str,
        message: String,
    },
}

impl Error {
    /// This, as what kept a check from being made.
    pub(crate) fn unchecked(self) -> Error {
        match self {
            Error::Usage { .. } => self,
            error if error.is_broken_pipe() => error,
            error => Error::Unchecked {
                source: Box::new(error),
            },
        }
    }

    /// Whether the reader of standard output has gone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
