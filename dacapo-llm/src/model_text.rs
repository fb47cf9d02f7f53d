//! The tokenizer and the chat template that a model brings along.

use std::path::Path;

use crate::chat::ChatTemplate;
use crate::error::{Error, Result};
use crate::model_files::ModelFiles;
use crate::tokenizer::{GgufVocab, Tokenizer};

/// Longest text file read from a model's folder. The largest published tokenizer.json has 35 MB.
const MAX_TEXT_BYTES: u64 = 256 << 20;

impl ModelFiles {
    /// The model's tokenizer: the vocabulary inside the GGUF file, or `tokenizer.json` in the folder.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around [`Error::Tokenizer`], or around [`Error::Io`] for a folder without `tokenizer.json`.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let built = match self.gguf() {
            Some(header) => GgufVocab::from_metadata(header.metadata())
                .map_err(Error::from)
                .and_then(|vocab| Ok(Tokenizer::from_gguf(vocab)?)),
            None => self.folder_tokenizer(),
        };
        built.map_err(|error| self.located(error))
    }

    /// The model's chat template: `tokenizer.chat_template` of the GGUF file; `chat_template.jinja`, or
    /// `chat_template` in `tokenizer_config.json`, of the folder. `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around [`Error::Chat`] for a template that does not parse.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>> {
        let source = match self.gguf() {
            Some(header) => header
                .metadata()
                .str("tokenizer.chat_template")
                .map(|s| s.map(str::to_owned)),
            None => Ok(self.folder_template()?),
        };
        let parse = |source: String| Ok(ChatTemplate::parse(&source)?);
        source
            .map_err(Error::from)
            .and_then(|s| s.map(parse).transpose())
            .map_err(|error| self.located(error))
    }

    fn folder_tokenizer(&self) -> Result<Tokenizer> {
        let tokenizer = required(&self.path().join("tokenizer.json"))?;
        let config = optional(&self.path().join("tokenizer_config.json"))?;
        Ok(Tokenizer::from_json(&tokenizer, config.as_deref())?)
    }

    fn folder_template(&self) -> Result<Option<String>> {
        if let Some(template) = optional(&self.path().join("chat_template.jinja"))? {
            return Ok(Some(template));
        }
        let path = self.path().join("tokenizer_config.json");
        let Some(config) = optional(&path)? else {
            return Ok(None);
        };
        let config: serde_json::Value = serde_json::from_str(&config)
            .map_err(|error| Error::from(std::io::Error::from(error)).in_file(&path))?;
        // Either one template, or several with names, of which "default" is for plain chat.
        let template = match &config["chat_template"] {
            serde_json::Value::Array(named) => named
                .iter()
                .find(|entry| entry["name"] == "default")
                .map(|entry| &entry["template"]),
            one => Some(one),
        };
        Ok(template
            .and_then(|template| template.as_str())
            .map(str::to_owned))
    }

    fn located(&self, error: Error) -> Error {
        match error {
            Error::InFile { .. } => error,
            error => error.in_file(self.path()),
        }
    }
}

fn required(path: &Path) -> Result<String> {
    read(path).map_err(|error| Error::from(error).in_file(path))
}

fn optional(path: &Path) -> Result<Option<String>> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::from(error).in_file(path)),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() || about.len() > MAX_TEXT_BYTES {
        let message = format!("not a regular file of at most {MAX_TEXT_BYTES} bytes");
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            message,
        ));
    }
    std::fs::read_to_string(path)
}
