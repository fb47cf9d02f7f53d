//! Model files with made-up weights.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use dacapo_ops::dtype::DType;

use crate::random::{Random, weights};

/// The shape of a decoder as Llama has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) vocabulary: usize,
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) feed_forward: usize,
    pub(crate) context: usize,
}

impl Shape {
    /// Rows of whole blocks of every type, and otherwise as small as it gets.
    pub(crate) const TINY: Shape = Shape {
        vocabulary: 320,
        width: 256,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        feed_forward: 512,
        context: 512,
    };

    /// Layers as those of Llama 3.2 1B, but two of them, and a smaller vocabulary.
    pub(crate) const MIDDLE: Shape = Shape {
        vocabulary: 32_000,
        width: 2048,
        layers: 2,
        heads: 32,
        kv_heads: 8,
        feed_forward: 8192,
        context: 2048,
    };
}

/// A model file that goes with this.
pub(crate) struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// Writes a model whose matrices are of one type.
    ///
    /// # Errors
    /// If there is no room for temporary files.
    pub(crate) fn new(shape: Shape, dtype: DType, seed: u64) -> io::Result<TemporaryFile> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (id, number) = (process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = format!("dacapo-selftest-{id}-{number}.gguf");
        let file = TemporaryFile(std::env::temp_dir().join(name));
        fs::write(&file.0, model(shape, dtype, seed))?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Nothing depends on it; the system clears its folder of temporary files.
        let _ = fs::remove_file(&self.0);
    }
}

const ALIGNMENT: usize = 32;

/// The parts of a GGUF file, version 3.
#[derive(Default)]
struct Writer {
    metadata: Vec<u8>,
    entries: u64,
    tensors: Vec<u8>,
    count: u64,
    data: Vec<u8>,
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

impl Writer {
    fn entry(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.metadata.extend(string(key));
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(value);
        self.entries += 1;
    }

    fn u32(&mut self, key: &str, value: usize) {
        self.entry(key, 4, &(value as u32).to_le_bytes());
    }

    fn tensor(&mut self, name: &str, dtype: DType, dims: &[usize], bytes: &[u8]) {
        let offset = self.data.len().next_multiple_of(ALIGNMENT);
        self.data.resize(offset, 0);
        self.data.extend(bytes);
        self.tensors.extend(string(name));
        self.tensors.extend((dims.len() as u32).to_le_bytes());
        let dims = dims.iter().flat_map(|size| (*size as u64).to_le_bytes());
        self.tensors.extend(dims);
        self.tensors.extend(ggml_type(dtype).to_le_bytes());
        self.tensors.extend((offset as u64).to_le_bytes());
        self.count += 1;
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.entries.to_le_bytes());
        bytes.extend(self.metadata);
        bytes.extend(self.tensors);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes.extend(self.data);
        bytes
    }
}

/// The number of a type in ggml.
fn ggml_type(dtype: DType) -> u32 {
    match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::Q4_0 => 2,
        DType::Q4_1 => 3,
        DType::Q8_0 => 8,
        DType::Q4K => 12,
        DType::Q6K => 14,
        DType::BF16 => 30,
        DType::U32 => 26,
    }
}

fn model(shape: Shape, dtype: DType, seed: u64) -> Vec<u8> {
    let Shape {
        vocabulary,
        width,
        layers,
        heads,
        kv_heads,
        feed_forward,
        context,
    } = shape;
    let mut file = Writer::default();
    file.entry("general.architecture", 8, &string("llama"));
    for (key, value) in [
        ("vocab_size", vocabulary),
        ("embedding_length", width),
        ("block_count", layers),
        ("attention.head_count", heads),
        ("attention.head_count_kv", kv_heads),
        ("feed_forward_length", feed_forward),
        ("context_length", context),
    ] {
        file.u32(&format!("llama.{key}"), value);
    }
    file.entry(
        "llama.attention.layer_norm_rms_epsilon",
        6,
        &1e-5f32.to_le_bytes(),
    );
    let mut random = Random::new(seed);
    let mut matrix = |file: &mut Writer, name: &str, rows: usize, cols: usize, gain: f32| {
        // Evenly spread over twice its deviation, more or less: sums stay about as large as what they are made of.
        let amplitude = gain * 1.7 / (cols as f32).sqrt();
        let bytes = weights(&mut random, dtype, rows * cols, amplitude);
        file.tensor(name, dtype, &[cols, rows], &bytes);
    };
    let norm = |file: &mut Writer, name: &str| {
        let ones = vec![1.0f32; width];
        file.tensor(name, DType::F32, &[width], bytemuck::cast_slice(&ones));
    };
    let kv = width / heads * kv_heads;
    matrix(&mut file, "token_embd.weight", vocabulary, width, 16.0);
    for layer in 0..layers {
        let part = |name: &str| format!("blk.{layer}.{name}.weight");
        norm(&mut file, &part("attn_norm"));
        // Sharp enough that attention looks at something.
        matrix(&mut file, &part("attn_q"), width, width, 1.5);
        matrix(&mut file, &part("attn_k"), kv, width, 1.5);
        matrix(&mut file, &part("attn_v"), kv, width, 1.0);
        matrix(&mut file, &part("attn_output"), width, width, 1.0);
        norm(&mut file, &part("ffn_norm"));
        matrix(&mut file, &part("ffn_gate"), feed_forward, width, 1.5);
        matrix(&mut file, &part("ffn_up"), feed_forward, width, 1.5);
        matrix(&mut file, &part("ffn_down"), width, feed_forward, 1.5);
    }
    norm(&mut file, "output_norm.weight");
    matrix(&mut file, "output.weight", vocabulary, width, 3.0);
    file.finish()
}
