//! What is known of a model without running it.

use std::path::Path;

use dacapo_llm::ModelFiles;
use dacapo_llm::config::ModelConfig;
use dacapo_llm::gguf::GgufFile;
use dacapo_llm::safetensors::SafetensorsFolder;
use dacapo_llm::tensors::TensorIndex;
use serde::Serialize;

use crate::commands::inspect::value::Shown;
use crate::error::Result;

/// A model's metadata and tensors. Sizes are in bytes, shapes slowest dimension first.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) path: String,
    pub(super) format: String,
    pub(super) files: usize,
    pub(super) bytes: u64,
    pub(super) parameters: u64,
    /// Absent where dacapo cannot run the model.
    pub(super) decoder: Option<Decoder>,
    pub(super) not_runnable: Option<String>,
    pub(super) metadata: Vec<Entry>,
    pub(super) types: Vec<TypeTotal>,
    pub(super) tensors: Vec<Tensor>,
}

#[derive(Debug, Serialize)]
pub(super) struct Decoder {
    pub(super) architecture: String,
    pub(super) layers: usize,
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) feed_forward: usize,
    pub(super) vocabulary: usize,
    pub(super) context: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) key: String,
    #[serde(rename = "type")]
    pub(super) value_type: String,
    pub(super) value: Shown,
}

#[derive(Debug, Serialize)]
pub(super) struct TypeTotal {
    #[serde(rename = "type")]
    pub(super) name: String,
    pub(super) tensors: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Tensor {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) element: String,
    pub(super) shape: Vec<u64>,
    pub(super) bytes: u64,
}

impl Report {
    /// Reads the headers of a GGUF file or of a safetensors folder.
    pub(super) fn of(path: &Path) -> Result<Report> {
        let mut report = match path.is_dir() {
            true => folder(path)?,
            false => gguf(path)?,
        };
        match ModelFiles::open(path) {
            Ok(model) => report.decoder = Some(decoder(model.config())),
            Err(error) => report.not_runnable = Some(error.to_string()),
        }
        Ok(report)
    }

    fn new(
        path: &Path,
        format: String,
        files: &[u64],
        metadata: Vec<Entry>,
        index: &TensorIndex,
    ) -> Report {
        let tensors: Vec<Tensor> = index
            .iter()
            .map(|(name, tensor)| Tensor {
                name: name.to_owned(),
                element: tensor.dtype.to_string(),
                shape: tensor.shape.clone(),
                bytes: tensor.range.len() as u64,
            })
            .collect();
        let elements = |tensor: &Tensor| {
            tensor
                .shape
                .iter()
                .fold(1, |n: u64, dim| n.saturating_mul(*dim))
        };
        Report {
            path: path.display().to_string(),
            format,
            files: files.len(),
            bytes: files.iter().sum(),
            parameters: tensors.iter().map(elements).fold(0, u64::saturating_add),
            decoder: None,
            not_runnable: None,
            metadata,
            types: types(&tensors),
            tensors,
        }
    }
}

fn gguf(path: &Path) -> Result<Report> {
    let file = GgufFile::open(path)?;
    let header = file.header();
    let metadata = header.metadata().iter().map(|(key, value)| Entry {
        key: key.to_owned(),
        value_type: value.value_type().to_string(),
        value: Shown::gguf(value),
    });
    let format = format!("GGUF version {}", header.version());
    let size = file.file().bytes().len() as u64;
    Ok(Report::new(
        path,
        format,
        &[size],
        metadata.collect(),
        &TensorIndex::from_gguf(header),
    ))
}

fn folder(path: &Path) -> Result<Report> {
    let folder = SafetensorsFolder::open(path)?;
    // Whether it is valid is the model loader's question; here it is shown as far as it can be read.
    let config: serde_json::Value =
        serde_json::from_slice(folder.config_json()).unwrap_or_default();
    let metadata = config
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| Entry {
            key: key.clone(),
            value_type: "json".to_owned(),
            value: Shown::Json(value.clone()),
        });
    let sizes: Vec<u64> = folder
        .files()
        .iter()
        .map(|file| file.bytes().len() as u64)
        .collect();
    Ok(Report::new(
        path,
        "safetensors".to_owned(),
        &sizes,
        metadata.collect(),
        folder.tensors(),
    ))
}

fn decoder(config: &ModelConfig) -> Decoder {
    Decoder {
        architecture: config.architecture.to_string(),
        layers: config.layers,
        width: config.width,
        heads: config.heads,
        kv_heads: config.kv_heads,
        head_dim: config.head_dim,
        feed_forward: config.feed_forward,
        vocabulary: config.vocab_size,
        context: config.context_length,
    }
}

/// Totals by element type, largest first.
fn types(tensors: &[Tensor]) -> Vec<TypeTotal> {
    let mut totals: Vec<TypeTotal> = Vec::new();
    for tensor in tensors {
        match totals.iter_mut().find(|total| total.name == tensor.element) {
            Some(total) => {
                total.tensors += 1;
                total.bytes += tensor.bytes;
            }
            None => totals.push(TypeTotal {
                name: tensor.element.clone(),
                tensors: 1,
                bytes: tensor.bytes,
            }),
        }
    }
    totals.sort_by_key(|total| core::cmp::Reverse(total.bytes));
    totals
}
