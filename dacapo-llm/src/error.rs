//! The crate's error: one variant per area, each wrapping that area's own error.

use std::path::{Path, PathBuf};

use crate::chat::ChatError;
use crate::config::ConfigError;
use crate::gguf::GgufError;
use crate::safetensors::SafetensorsError;
use crate::tokenizer::TokenizerError;
use crate::weights::WeightsError;

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whatever can go wrong between a model file and its text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to open, read or map a file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A file is not valid GGUF, or its metadata has another type than asked for.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A folder of safetensors files is incomplete or inconsistent.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// A model's hyperparameters are missing, out of bounds or not supported.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A model's tensors do not fit its hyperparameters.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A vocabulary is not valid, or a text cannot be encoded with it.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A chat template is not valid, or refuses a conversation.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// Any of the above, with the file in which it was found.
    ///
    /// The message contains that of `error`, which is therefore not repeated as a
    /// [`source`](std::error::Error::source).
    #[error("{}: {error}", path.display())]
    InFile {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

impl Error {
    /// Adds the path in which the error was found.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::InFile {
            path: path.to_owned(),
            error: Box::new(self),
        }
    }
}

/// Text from a file, cut to a length fit for a message.
pub(crate) fn shortened(text: &str) -> String {
    const MAX: usize = 200;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_cross_threads() {
        fn check<T: std::error::Error + Send + Sync + 'static>() {}
        check::<Error>();
    }

    #[test]
    fn only_long_texts_are_shortened() {
        let exact = "\u{e9}".repeat(200);
        assert_eq!(shortened(&exact), exact);
        assert_eq!(shortened(&format!("{exact}!")), format!("{exact}..."));
    }

    #[test]
    fn the_path_leads_the_message() {
        let error = Error::from(GgufError::BigEndian).in_file(Path::new("a/model.gguf"));
        let text = error.to_string();
        assert!(text.starts_with("a/model.gguf: "), "{text}");
        assert!(text.contains("big-endian"), "{text}");
    }
}
