//! Folders of safetensors files as on Hugging Face: `config.json` beside `model.safetensors`, or
//! beside `model.safetensors.index.json` and the shards that it lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use ::safetensors::tensor::{Dtype, SafeTensors};
use serde::de::IgnoredAny;

use crate::error::{Error, Result, shortened};
use crate::gguf::GgmlType;
use crate::mapped::MappedFile;
use crate::tensors::{Naming, StoredTensor, TensorIndex};
use crate::unique_map::UniqueMap;

const CONFIG: &str = "config.json";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Real configurations have some kilobytes, indices of the largest models some ten megabytes.
const MAX_JSON: usize = 64 << 20;

/// The largest published models have some 200 shards.
const MAX_SHARDS: usize = 4096;

/// Why a folder of safetensors files was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// The folder has no weights.
    #[error("the folder has neither {SINGLE} nor {INDEX}")]
    NoWeights,
    /// A JSON file is too large to be what its name says.
    #[error("it has {found} bytes, at most {MAX_JSON} are allowed")]
    JsonTooLarge {
        /// The file's size in bytes.
        found: usize,
    },
    /// The index of shards does not have the expected form.
    #[error("not an index of shards (an object with \"weight_map\" from tensor to file name): {0}")]
    NotAnIndex(String),
    /// A shard's name could lead out of the folder, or is not that of a safetensors file.
    #[error(
        "shard name {found:?}: allowed is the plain name of a .safetensors file in the same folder"
    )]
    ShardName {
        /// The name in the index.
        found: String,
    },
    /// The index lists too many shards.
    #[error("the index lists {found} shards, at most {MAX_SHARDS} are allowed")]
    TooManyShards {
        /// How many it lists.
        found: usize,
    },
    /// A file is not valid safetensors: its header is broken or does not fit its size.
    #[error("not a valid safetensors file: {0}")]
    NotSafetensors(String),
    /// A tensor has an element type that no supported model uses.
    #[error(
        "tensor {tensor:?} has type {found}, supported are F64, F32, F16, BF16, I64, I32, I16 and I8"
    )]
    UnsupportedType {
        /// The tensor's name.
        tensor: String,
        /// Its type, named as in the file.
        found: String,
    },
    /// A tensor that the index lists is not in its shard.
    #[error("tensor {tensor:?} is not in {shard:?}, where the index has it")]
    MissingTensor {
        /// The tensor's name.
        tensor: String,
        /// The shard's name.
        shard: String,
    },
    /// A shard has a tensor that the index lists elsewhere or not at all.
    #[error("tensor {tensor:?} is in {shard:?}, but the index has it {}", place(listed.as_deref()))]
    Unlisted {
        /// The tensor's name.
        tensor: String,
        /// The shard in which it was found.
        shard: String,
        /// The shard in which it should be.
        listed: Option<String>,
    },
}

/// A folder's files, mapped, and the table of their tensors.
#[derive(Debug)]
pub struct SafetensorsFolder {
    path: PathBuf,
    config: MappedFile,
    files: Vec<Arc<MappedFile>>,
    tensors: TensorIndex,
}

impl SafetensorsFolder {
    /// Maps `config.json` and the weights in the folder at `path`. Where both a single file and an
    /// index exist, the single file is taken, as `transformers` does.
    ///
    /// Shards must be named without any folder; they may be symbolic links, which is how Hugging
    /// Face's own cache stores them.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around [`Error::Io`] or [`Error::Safetensors`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let config = open_json(&path.join(CONFIG))?;
        let mut folder = Self {
            path: path.to_owned(),
            config,
            files: Vec::new(),
            tensors: TensorIndex::new(Naming::HuggingFace),
        };
        if path.join(SINGLE).exists() {
            folder.add_file(SINGLE)?;
        } else if path.join(INDEX).exists() {
            folder.add_shards(&path.join(INDEX))?;
        } else {
            return Err(Error::from(SafetensorsError::NoWeights).in_file(path));
        }
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contents of `config.json`.
    pub fn config_json(&self) -> &[u8] {
        self.config.bytes()
    }

    /// The mapped files, as [`StoredTensor::file`] counts them.
    pub fn files(&self) -> &[Arc<MappedFile>] {
        &self.files
    }

    /// The tensors of all files.
    pub fn tensors(&self) -> &TensorIndex {
        &self.tensors
    }

    fn add_shards(&mut self, index: &Path) -> Result<()> {
        let json = open_json(index)?;
        let shards =
            Shards::parse(json.bytes()).map_err(|error| Error::from(error).in_file(index))?;
        for shard in &shards.names {
            for tensor in self.add_file(shard)? {
                shards
                    .check_listed(&tensor, shard)
                    .map_err(|error| Error::from(error).in_file(index))?;
            }
        }
        shards
            .check_complete(&self.tensors)
            .map_err(|error| Error::from(error).in_file(index))
    }

    /// Maps a file, adds its tensors and returns their names.
    fn add_file(&mut self, name: &str) -> Result<Vec<String>> {
        let file = MappedFile::open(self.path.join(name))?;
        let tensors = read_tensors(file.bytes(), self.files.len())
            .map_err(|error| Error::from(error).in_file(file.path()))?;
        self.files.push(Arc::new(file));
        let mut names = Vec::with_capacity(tensors.len());
        for (name, tensor) in tensors {
            names.push(name.clone());
            self.tensors.insert(name, tensor);
        }
        Ok(names)
    }
}

/// What an index says.
#[derive(Debug)]
struct Shards {
    names: BTreeSet<String>,
    weight_map: BTreeMap<String, String>,
}

impl Shards {
    fn parse(json: &[u8]) -> Result<Self, SafetensorsError> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: UniqueMap<String>,
        }
        let Index {
            weight_map: UniqueMap(weight_map),
        } = serde_json::from_slice(json)
            .map_err(|error| SafetensorsError::NotAnIndex(shortened(&error.to_string())))?;
        let names: BTreeSet<String> = weight_map.values().cloned().collect();
        if names.len() > MAX_SHARDS {
            let found = names.len();
            return Err(SafetensorsError::TooManyShards { found });
        }
        if let Some(found) = names.iter().find(|name| !is_plain_name(name)) {
            let found = shortened(found);
            return Err(SafetensorsError::ShardName { found });
        }
        Ok(Self { names, weight_map })
    }

    /// Checks that the index has this tensor in this shard: a tensor in two shards is in at least
    /// one that the index does not name for it.
    fn check_listed(&self, tensor: &str, shard: &str) -> Result<(), SafetensorsError> {
        match self.weight_map.get(tensor) {
            Some(listed) if listed == shard => Ok(()),
            listed => Err(SafetensorsError::Unlisted {
                tensor: shortened(tensor),
                shard: shortened(shard),
                listed: listed.map(|listed| shortened(listed)),
            }),
        }
    }

    fn check_complete(&self, tensors: &TensorIndex) -> Result<(), SafetensorsError> {
        for (tensor, shard) in &self.weight_map {
            if tensors.get(tensor).is_none() {
                return Err(SafetensorsError::MissingTensor {
                    tensor: shortened(tensor),
                    shard: shortened(shard),
                });
            }
        }
        Ok(())
    }
}

fn open_json(path: &Path) -> Result<MappedFile> {
    let file = MappedFile::open(path)?;
    let found = file.bytes().len();
    if found > MAX_JSON {
        return Err(Error::from(SafetensorsError::JsonTooLarge { found }).in_file(path));
    }
    Ok(file)
}

/// Whether joining the name to a folder stays in that folder, on every operating system.
fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    ) && !name.contains(['/', '\\', ':', '\0'])
        && name.ends_with(".safetensors")
}

/// Reads the table of one file; the `safetensors` crate checks that the tensors fill the file
/// exactly, each with the size that its type and shape need.
fn read_tensors(
    bytes: &[u8],
    file: usize,
) -> Result<Vec<(String, StoredTensor)>, SafetensorsError> {
    let invalid = |error: &dyn std::fmt::Display| {
        SafetensorsError::NotSafetensors(shortened(&error.to_string()))
    };
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| invalid(&error))?;
    let json = bytes.get(8..8 + header).unwrap_or_default();
    serde_json::from_slice::<UniqueMap<IgnoredAny>>(json).map_err(|error| invalid(&error))?;
    // The header's length and the header come first; both were just found to be inside the file.
    let data_start = 8 + header;
    let mut tensors = Vec::new();
    for (name, info) in metadata.tensors() {
        let Some(dtype) = plain_type(info.dtype) else {
            return Err(SafetensorsError::UnsupportedType {
                tensor: shortened(&name),
                found: format!("{:?}", info.dtype),
            });
        };
        let (start, end) = info.data_offsets;
        let tensor = StoredTensor {
            dtype,
            shape: info.shape.iter().map(|&dim| dim as u64).collect(),
            file,
            range: data_start + start..data_start + end,
        };
        tensors.push((name, tensor));
    }
    tensors.sort_by_key(|(_, tensor)| tensor.range.start);
    Ok(tensors)
}

fn plain_type(dtype: Dtype) -> Option<GgmlType> {
    match dtype {
        Dtype::F64 => Some(GgmlType::F64),
        Dtype::F32 => Some(GgmlType::F32),
        Dtype::F16 => Some(GgmlType::F16),
        Dtype::BF16 => Some(GgmlType::BF16),
        Dtype::I64 => Some(GgmlType::I64),
        Dtype::I32 => Some(GgmlType::I32),
        Dtype::I16 => Some(GgmlType::I16),
        Dtype::I8 => Some(GgmlType::I8),
        _ => None,
    }
}

fn place(shard: Option<&str>) -> String {
    match shard {
        Some(shard) => format!("in {shard:?}"),
        None => "nowhere".to_owned(),
    }
}

#[cfg(test)]
#[path = "safetensors_tests.rs"]
mod tests;
