//! Writes GGUF files for tests, right or wrong as asked.

use super::GgmlType;

/// Collects the parts of a file.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) version: u32,
    pub(crate) alignment: usize,
    /// Added to the true counts, to make wrong ones.
    pub(crate) extra_metadata: u64,
    pub(crate) extra_tensors: u64,
    metadata: Vec<u8>,
    metadata_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            version: 3,
            alignment: 32,
            extra_metadata: 0,
            extra_tensors: 0,
            metadata: Vec::new(),
            metadata_count: 0,
            tensors: Vec::new(),
            tensor_count: 0,
            data: Vec::new(),
        }
    }

    /// Adds an entry whose value consists of the raw bytes `value`.
    pub(crate) fn raw(mut self, key: &[u8], value_type: u32, value: &[u8]) -> Self {
        self.metadata.extend(string(key));
        self.metadata.extend(value_type.to_le_bytes());
        self.metadata.extend(value);
        self.metadata_count += 1;
        self
    }

    pub(crate) fn u32(self, key: &str, value: u32) -> Self {
        self.raw(key.as_bytes(), 4, &value.to_le_bytes())
    }

    pub(crate) fn f32(self, key: &str, value: f32) -> Self {
        self.raw(key.as_bytes(), 6, &value.to_le_bytes())
    }

    pub(crate) fn bool(self, key: &str, value: bool) -> Self {
        self.raw(key.as_bytes(), 7, &[value.into()])
    }

    pub(crate) fn str(self, key: &str, value: &str) -> Self {
        self.raw(key.as_bytes(), 8, &string(value.as_bytes()))
    }

    pub(crate) fn strings(self, key: &str, values: &[&str]) -> Self {
        let elements: Vec<u8> = values.iter().flat_map(|s| string(s.as_bytes())).collect();
        self.raw(key.as_bytes(), 9, &array(8, values.len() as u64, &elements))
    }

    pub(crate) fn u32s(self, key: &str, values: &[u32]) -> Self {
        let elements: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(key.as_bytes(), 9, &array(4, values.len() as u64, &elements))
    }

    /// Adds a tensor of zeros at the next aligned offset.
    pub(crate) fn tensor(mut self, name: &str, dtype: GgmlType, dims: &[u64]) -> Self {
        let offset = self.data.len().next_multiple_of(self.alignment);
        let size = dtype.size_of(dims.iter().product()).unwrap() as usize;
        self.data.resize(offset + size, 0);
        self.entry(name.as_bytes(), dims, dtype.id(), offset as u64)
    }

    /// Adds only a table entry.
    pub(crate) fn entry(mut self, name: &[u8], dims: &[u64], type_id: u32, offset: u64) -> Self {
        self.tensors.extend(string(name));
        self.tensors.extend((dims.len() as u32).to_le_bytes());
        self.tensors
            .extend(dims.iter().flat_map(|d| d.to_le_bytes()));
        self.tensors.extend(type_id.to_le_bytes());
        self.tensors.extend(offset.to_le_bytes());
        self.tensor_count += 1;
        self
    }

    pub(crate) fn finish(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(
            self.tensor_count
                .wrapping_add(self.extra_tensors)
                .to_le_bytes(),
        );
        bytes.extend(
            self.metadata_count
                .wrapping_add(self.extra_metadata)
                .to_le_bytes(),
        );
        bytes.extend(&self.metadata);
        bytes.extend(&self.tensors);
        if self.tensor_count > 0 {
            bytes.resize(bytes.len().next_multiple_of(self.alignment), 0);
        }
        bytes.extend(&self.data);
        bytes
    }
}

/// A string with its length in front.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u64).to_le_bytes().to_vec();
    out.extend(bytes);
    out
}

/// An array value with raw elements.
pub(crate) fn array(element_type: u32, len: u64, elements: &[u8]) -> Vec<u8> {
    let mut out = element_type.to_le_bytes().to_vec();
    out.extend(len.to_le_bytes());
    out.extend(elements);
    out
}
