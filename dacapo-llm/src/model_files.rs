//! A model as it lies on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::gguf::{GgufFile, GgufHeader};
use crate::mapped::MappedFile;
use crate::safetensors::SafetensorsFolder;
use crate::tensors::TensorIndex;
use crate::weights::{Weight, Weights};

/// A model's files, mapped, with its hyperparameters and the places of its weights.
///
/// ```no_run
/// let model = dacapo_llm::ModelFiles::open("model.gguf")?;
/// println!("{} layers", model.config().layers);
/// let embedding = model.bytes(&model.weights().token_embd);
/// # Ok::<(), dacapo_llm::Error>(())
/// ```
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    config: ModelConfig,
    weights: Weights,
    gguf: Option<GgufHeader>,
    files: Vec<Arc<MappedFile>>,
}

impl ModelFiles {
    /// Opens a GGUF file, or a folder with `config.json` and safetensors files.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around what is wrong: with the file system, the file format, the
    /// hyperparameters or the set of tensors.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let opened = if path.is_dir() {
            Self::open_folder(path)
        } else {
            GgufFile::open(path).and_then(Self::gguf_parts)
        };
        opened.map_err(|error| in_file(error, path))
    }

    /// The model in a GGUF file that was opened already, or that is in memory alone
    /// ([`MappedFile::in_memory`]).
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around what is wrong with the hyperparameters or the set of tensors.
    pub fn from_gguf(file: GgufFile) -> Result<Self> {
        let path = file.file().path().to_owned();
        Self::gguf_parts(file).map_err(|error| in_file(error, &path))
    }

    fn gguf_parts(file: GgufFile) -> Result<Self> {
        let config = ModelConfig::from_gguf(file.header())?;
        let weights = Weights::resolve(&config, &TensorIndex::from_gguf(file.header()))?;
        let (file, header) = file.into_parts();
        Ok(Self {
            path: file.path().to_owned(),
            config,
            weights,
            gguf: Some(header),
            files: vec![file],
        })
    }

    fn open_folder(path: &Path) -> Result<Self> {
        let folder = SafetensorsFolder::open(path)?;
        let config = ModelConfig::from_huggingface(folder.config_json())
            .map_err(|error| Error::from(error).in_file(&path.join("config.json")))?;
        let weights = Weights::resolve(&config, folder.tensors())?;
        Ok(Self {
            path: path.to_owned(),
            config,
            weights,
            gguf: None,
            files: folder.files().to_vec(),
        })
    }

    /// The GGUF file or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hyperparameters.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The places of the weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The header of the GGUF file, which also holds the tokenizer; `None` for a folder.
    pub fn gguf(&self) -> Option<&GgufHeader> {
        self.gguf.as_ref()
    }

    /// The mapped files, as [`Weight::file`] counts them.
    pub fn files(&self) -> &[Arc<MappedFile>] {
        &self.files
    }

    /// The data of one of this model's weights, as it lies in its file.
    ///
    /// # Panics
    ///
    /// If `weight` is of another model and lies outside this model's files.
    pub fn bytes(&self, weight: &Weight) -> &[u8] {
        &self.files[weight.file].bytes()[weight.range.clone()]
    }

    /// Tells the system that a weight is not needed where it lies: a copy of it is used instead.
    pub(crate) fn release(&self, weight: &Weight) {
        self.files[weight.file].release(weight.range.clone());
    }
}

/// The error with the path, unless it names one already.
fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::InFile { .. } => error,
        error => error.in_file(path),
    }
}
