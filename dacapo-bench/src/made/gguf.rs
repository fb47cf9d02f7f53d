//! A GGUF file of a shape, without the file.

use std::io::{self, Write};

use super::noise::Dtype;
use super::shape::Shape;

/// Where tensors begin: a multiple of so many bytes.
const ALIGNMENT: usize = 32;

/// Numbers of types of values in metadata.
mod kind {
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const STRING: u32 = 8;
    pub const ARRAY: u32 = 9;
}

/// What the file would hold: its head as it is, and what tensors follow.
pub struct Image {
    head: Vec<u8>,
    dtype: Dtype,
    tensors: Vec<Tensor>,
}

struct Tensor {
    name: String,
    rows: usize,
    cols: usize,
    /// A norm: ones in F32. Otherwise noise.
    norm: bool,
}

impl Image {
    /// The model of a shape with weights of a type.
    pub fn new(name: &str, shape: &Shape, dtype: Dtype) -> Image {
        let tensors = tensors(shape);
        let (metadata, entries) = metadata(name, shape);
        let mut head = b"GGUF".to_vec();
        head.extend(3_u32.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend(entries.to_le_bytes());
        head.extend(metadata);
        let mut offset = 0_usize;
        for tensor in &tensors {
            head.extend(string(&tensor.name));
            let dims: &[usize] = match tensor.norm {
                true => &[tensor.cols],
                false => &[tensor.cols, tensor.rows],
            };
            head.extend((dims.len() as u32).to_le_bytes());
            head.extend(dims.iter().flat_map(|dim| (*dim as u64).to_le_bytes()));
            let f32_id = 0;
            let id = if tensor.norm { f32_id } else { dtype.id() };
            head.extend(id.to_le_bytes());
            head.extend((offset as u64).to_le_bytes());
            offset += tensor.bytes(dtype).next_multiple_of(ALIGNMENT);
        }
        head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
        Image {
            head,
            dtype,
            tensors,
        }
    }

    /// Bytes of the file.
    pub fn len(&self) -> usize {
        let each = |tensor: &Tensor| tensor.bytes(self.dtype).next_multiple_of(ALIGNMENT);
        self.head.len() + self.tensors.iter().map(each).sum::<usize>()
    }

    /// Bytes of the tensors alone.
    pub fn weight_bytes(&self) -> u64 {
        let each = |tensor: &Tensor| tensor.bytes(self.dtype) as u64;
        self.tensors.iter().map(each).sum()
    }

    /// Writes all of it.
    pub fn put(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        let mut noise: Vec<(usize, Vec<u8>)> = Vec::new();
        for tensor in &self.tensors {
            let cols = tensor.cols;
            let len = tensor.bytes(self.dtype);
            if tensor.norm {
                out.write_all(&1_f32.to_le_bytes().repeat(cols))?;
            } else {
                if !noise.iter().any(|(of, _)| *of == cols) {
                    noise.push((cols, self.dtype.noise(cols)));
                }
                let found = noise.iter().find(|(of, _)| *of == cols);
                let pattern = found.map_or(&[][..], |(_, pattern)| pattern);
                let mut left = len;
                while left > 0 {
                    let piece = left.min(pattern.len());
                    out.write_all(&pattern[..piece])?;
                    left -= piece;
                }
            }
            out.write_all(&[0; ALIGNMENT][..len.next_multiple_of(ALIGNMENT) - len])?;
        }
        out.flush()
    }
}

impl Tensor {
    fn bytes(&self, dtype: Dtype) -> usize {
        match self.norm {
            true => self.cols * size_of::<f32>(),
            false => dtype.bytes(self.rows, self.cols),
        }
    }
}

fn tensors(shape: &Shape) -> Vec<Tensor> {
    let (width, inner, head) = (shape.hidden_size, shape.intermediate_size, shape.head_dim);
    let (q, kv) = (
        shape.num_attention_heads * head,
        shape.num_key_value_heads * head,
    );
    let mut tensors = Vec::new();
    let mut add = |name: String, rows, cols, norm| {
        tensors.push(Tensor {
            name,
            rows,
            cols,
            norm,
        });
    };
    add(
        "token_embd.weight".to_owned(),
        shape.vocab_size,
        width,
        false,
    );
    add("output_norm.weight".to_owned(), 1, width, true);
    if !shape.tie_word_embeddings {
        add("output.weight".to_owned(), shape.vocab_size, width, false);
    }
    for layer in 0..shape.num_hidden_layers {
        let mut part = |name: &str, rows, cols, norm| {
            add(format!("blk.{layer}.{name}.weight"), rows, cols, norm);
        };
        part("attn_norm", 1, width, true);
        part("attn_q", q, width, false);
        part("attn_k", kv, width, false);
        part("attn_v", kv, width, false);
        if shape.architecture == "qwen3" {
            part("attn_q_norm", 1, head, true);
            part("attn_k_norm", 1, head, true);
        }
        part("attn_output", width, q, false);
        part("ffn_norm", 1, width, true);
        part("ffn_gate", inner, width, false);
        part("ffn_up", inner, width, false);
        part("ffn_down", width, inner, false);
    }
    tensors
}

/// The entries, and how many. The vocabulary is made up: text of such a model means nothing.
fn metadata(name: &str, shape: &Shape) -> (Vec<u8>, u64) {
    let mut entries = Entries::default();
    let architecture = &shape.architecture;
    entries.text("general.architecture", architecture);
    entries.text("general.name", &format!("{name} with random weights"));
    let numbers = [
        ("context_length", shape.max_position_embeddings),
        ("embedding_length", shape.hidden_size),
        ("block_count", shape.num_hidden_layers),
        ("feed_forward_length", shape.intermediate_size),
        ("attention.head_count", shape.num_attention_heads),
        ("attention.head_count_kv", shape.num_key_value_heads),
        ("attention.key_length", shape.head_dim),
        ("attention.value_length", shape.head_dim),
        ("rope.dimension_count", shape.head_dim),
        ("vocab_size", shape.vocab_size),
    ];
    for (key, value) in numbers {
        entries.number(&format!("{architecture}.{key}"), value as u32);
    }
    let mut float = |key, value: f32| {
        let key = format!("{architecture}.{key}");
        entries.put(&key, kind::F32, &value.to_le_bytes());
    };
    float("attention.layer_norm_rms_epsilon", shape.rms_norm_eps);
    float("rope.freq_base", shape.rope_theta);
    entries.text("tokenizer.ggml.model", "llama");
    let specials = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let words = (0..).map(|number| format!("\u{2581}w{number}"));
    let tokens = specials.into_iter().chain(bytes).chain(words);
    let tokens = tokens.take(shape.vocab_size);
    let of_each = |at: usize| match at {
        0 => UNKNOWN,
        1 | 2 => CONTROL,
        3..259 => BYTE,
        _ => NORMAL,
    };
    let all = 0..shape.vocab_size;
    let texts = tokens.map(|token| string(&token)).collect::<Vec<_>>();
    let scores = all.clone().map(|at| (-(at as f32)).to_le_bytes());
    let types = all.map(|at| of_each(at).to_le_bytes());
    entries.list("tokenizer.ggml.tokens", kind::STRING, texts);
    entries.list(
        "tokenizer.ggml.scores",
        kind::F32,
        scores.map(Vec::from).collect(),
    );
    entries.list(
        "tokenizer.ggml.token_type",
        kind::I32,
        types.map(Vec::from).collect(),
    );
    entries.number("tokenizer.ggml.unknown_token_id", 0);
    entries.number("tokenizer.ggml.bos_token_id", 1);
    entries.number("tokenizer.ggml.eos_token_id", 2);
    (entries.bytes, entries.count)
}

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

#[derive(Default)]
struct Entries {
    bytes: Vec<u8>,
    count: u64,
}

impl Entries {
    fn put(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.bytes.extend(string(key));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
        self.count += 1;
    }

    fn text(&mut self, key: &str, value: &str) {
        self.put(key, kind::STRING, &string(value));
    }

    fn number(&mut self, key: &str, value: u32) {
        self.put(key, kind::U32, &value.to_le_bytes());
    }

    fn list(&mut self, key: &str, kind: u32, values: Vec<Vec<u8>>) {
        let mut value = kind.to_le_bytes().to_vec();
        value.extend((values.len() as u64).to_le_bytes());
        value.extend(values.concat());
        self.put(key, kind::ARRAY, &value);
    }
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}
