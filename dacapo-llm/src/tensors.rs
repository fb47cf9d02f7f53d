//! One table of tensors, whatever files they lie in.

use std::ops::Range;

use indexmap::IndexMap;

use crate::gguf::{GgmlType, GgufHeader};

/// Whose names a table's tensors bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// Those of ggml's `docs/gguf.md`, such as `blk.0.attn_q.weight`.
    Gguf,
    /// Those of `transformers`' modules, such as `model.layers.0.self_attn.q_proj.weight`.
    HuggingFace,
}

/// Where and what a tensor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTensor {
    /// The type of the elements.
    pub dtype: GgmlType,
    /// The dimensions in elements, slowest first: a matrix is `[rows, columns]`.
    pub shape: Vec<u64>,
    /// Which of the model's files it lies in.
    pub file: usize,
    /// Where its data lies in that file, in bytes.
    pub range: Range<usize>,
}

/// The tensors of a model by name, in the order of their files.
#[derive(Debug, Clone)]
pub struct TensorIndex {
    naming: Naming,
    tensors: IndexMap<String, StoredTensor>,
}

impl TensorIndex {
    pub(crate) fn new(naming: Naming) -> Self {
        let tensors = IndexMap::new();
        Self { naming, tensors }
    }

    /// The tensors of a GGUF file, which becomes file 0.
    pub fn from_gguf(header: &GgufHeader) -> Self {
        let mut index = Self::new(Naming::Gguf);
        for (name, info) in header.tensors() {
            let tensor = StoredTensor {
                dtype: info.dtype(),
                shape: info.dims().iter().rev().copied().collect(),
                file: 0,
                range: info.range(),
            };
            index.insert(name.to_owned(), tensor);
        }
        index
    }

    /// Adds a tensor, or returns the one that already has the name.
    pub(crate) fn insert(&mut self, name: String, tensor: StoredTensor) -> Option<&StoredTensor> {
        match self.tensors.entry(name) {
            indexmap::map::Entry::Occupied(entry) => Some(entry.into_mut()),
            indexmap::map::Entry::Vacant(entry) => {
                entry.insert(tensor);
                None
            }
        }
    }

    /// Whose names these are.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name)
    }

    /// The tensors with their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &StoredTensor)> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
    }
}
