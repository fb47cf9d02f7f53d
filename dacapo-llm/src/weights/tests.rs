//! Sets of tensors that fit a configuration, and that do not.

use super::*;
use crate::config::{Architecture, RopeConfig, RopeLayout, RopeScaling};
use crate::tensors::{Naming, StoredTensor};

/// A configuration in which every size differs.
fn config() -> ModelConfig {
    ModelConfig {
        architecture: Architecture::Llama,
        vocab_size: 11,
        width: 12,
        layers: 2,
        heads: 3,
        kv_heads: 1,
        head_dim: 6,
        feed_forward: 10,
        context_length: 32,
        rms_eps: 1e-5,
        rope: RopeConfig {
            theta: 1e4,
            layout: RopeLayout::AdjacentPairs,
            dims: 4,
            scaling: RopeScaling::None,
        },
        tied_embeddings: false,
        qkv_bias: true,
        qk_norm: true,
    }
}

/// The names and shapes of that configuration's tensors, in either naming.
fn tensors(naming: Naming) -> Vec<(String, Vec<u64>)> {
    let mut list: Vec<(String, Vec<u64>)> = Vec::new();
    let mut add = |gguf: &str, hf: &str, shape: &[u64]| {
        let name = match naming {
            Naming::Gguf => gguf,
            Naming::HuggingFace => hf,
        };
        list.push((name.to_owned(), shape.to_vec()));
    };
    add("token_embd.weight", "model.embed_tokens.weight", &[11, 12]);
    for i in 0..2 {
        let mut part = |gguf: &str, hf: &str, shape: &[u64]| {
            add(
                &format!("blk.{i}.{gguf}"),
                &format!("model.layers.{i}.{hf}"),
                shape,
            );
        };
        part("attn_norm.weight", "input_layernorm.weight", &[12]);
        part("attn_q.weight", "self_attn.q_proj.weight", &[18, 12]);
        part("attn_k.weight", "self_attn.k_proj.weight", &[6, 12]);
        part("attn_v.weight", "self_attn.v_proj.weight", &[6, 12]);
        part("attn_q.bias", "self_attn.q_proj.bias", &[18]);
        part("attn_k.bias", "self_attn.k_proj.bias", &[6]);
        part("attn_v.bias", "self_attn.v_proj.bias", &[6]);
        part("attn_q_norm.weight", "self_attn.q_norm.weight", &[6]);
        part("attn_k_norm.weight", "self_attn.k_norm.weight", &[6]);
        part("attn_output.weight", "self_attn.o_proj.weight", &[12, 18]);
        part("ffn_norm.weight", "post_attention_layernorm.weight", &[12]);
        part("ffn_gate.weight", "mlp.gate_proj.weight", &[10, 12]);
        part("ffn_up.weight", "mlp.up_proj.weight", &[10, 12]);
        part("ffn_down.weight", "mlp.down_proj.weight", &[12, 10]);
    }
    add("output_norm.weight", "model.norm.weight", &[12]);
    add("output.weight", "lm_head.weight", &[11, 12]);
    list
}

/// Puts the tensors one after the other, four bytes an element.
fn index(naming: Naming, tensors: &[(String, Vec<u64>)]) -> TensorIndex {
    let mut index = TensorIndex::new(naming);
    let mut start = 0;
    for (name, shape) in tensors {
        let end = start + 4 * shape.iter().product::<u64>() as usize;
        let tensor = StoredTensor {
            dtype: GgmlType::F32,
            shape: shape.clone(),
            file: 0,
            range: start..end,
        };
        assert!(index.insert(name.clone(), tensor).is_none());
        start = end;
    }
    index
}

fn refused(config: &ModelConfig, naming: Naming, tensors: &[(String, Vec<u64>)]) -> WeightsError {
    Weights::resolve(config, &index(naming, tensors)).expect_err("this set is wrong")
}

#[test]
fn both_namings_resolve_in_the_order_of_use() {
    for naming in [Naming::Gguf, Naming::HuggingFace] {
        let list = tensors(naming);
        let weights = Weights::resolve(&config(), &index(naming, &list)).unwrap();
        let mut end = 0;
        for (weight, (name, shape)) in weights.iter().zip(&list) {
            assert_eq!(&weight.name, name);
            assert_eq!(
                (weight.rows * weight.cols) as u64,
                shape.iter().product::<u64>()
            );
            assert_eq!(weight.cols as u64, *shape.last().unwrap());
            assert_eq!(weight.range.start, end);
            end = weight.range.end;
        }
        assert_eq!(weights.iter().count(), list.len());
        let layer = &weights.layers[1];
        assert_eq!((layer.attn_q.rows, layer.attn_q.cols), (18, 12));
        assert_eq!((layer.ffn_down.rows, layer.ffn_down.cols), (12, 10));
        assert_eq!(weights.output.unwrap().rows, 11);
        assert_eq!(weights.rope_freqs, None);
    }
}

#[test]
fn every_tensor_is_missed_by_name() {
    for naming in [Naming::Gguf, Naming::HuggingFace] {
        let list = tensors(naming);
        for gone in 0..list.len() {
            let mut list = list.clone();
            let (name, _) = list.remove(gone);
            let names = vec![name];
            let error = refused(&config(), naming, &list);
            assert_eq!(error, WeightsError::Missing { names, count: 1 });
        }
        let error = refused(&config(), naming, &[]).to_string();
        assert!(
            error.starts_with(&format!("{} tensors are missing: ", list.len())),
            "{error}"
        );
        assert!(error.ends_with(", ..."), "{error}");
    }
}

#[test]
fn every_shape_is_checked() {
    let list = tensors(Naming::Gguf);
    for wrong in 0..list.len() {
        let changes: [fn(&mut Vec<u64>); 3] = [
            |shape| shape[0] += 1,
            |shape| shape.insert(0, 2),
            |shape| shape.push(2),
        ];
        for change in changes {
            let mut list = list.clone();
            let (name, shape) = &mut list[wrong];
            change(shape);
            let (name, found) = (name.clone(), shape.clone());
            let error = refused(&config(), Naming::Gguf, &list);
            let WeightsError::Shape {
                name: n, found: f, ..
            } = error
            else {
                panic!("{error}");
            };
            assert_eq!((n, f), (name, found));
        }
    }
    // Transposed.
    let mut transposed = list.clone();
    transposed[2].1.reverse();
    let error = refused(&config(), Naming::Gguf, &transposed).to_string();
    assert_eq!(
        error,
        "tensor \"blk.0.attn_q.weight\" has shape [12, 18], \
         the model's configuration implies [18, 12] (rows, columns)"
    );
}

#[test]
fn tensors_without_a_place_are_refused() {
    let mut list = tensors(Naming::Gguf);
    list.push(("blk.2.attn_norm.weight".into(), vec![12]));
    list.push(("blk.0.attn_output.bias".into(), vec![12]));
    let error = refused(&config(), Naming::Gguf, &list).to_string();
    assert_eq!(
        error,
        "2 tensors have no place in this model: blk.2.attn_norm.weight, blk.0.attn_output.bias"
    );
    let no_bias = ModelConfig {
        qkv_bias: false,
        ..config()
    };
    let error = refused(&no_bias, Naming::Gguf, &tensors(Naming::Gguf));
    assert!(
        matches!(error, WeightsError::Unexpected { count: 6, .. }),
        "{error}"
    );
}

#[test]
fn redundant_tensors_of_old_checkpoints_are_passed_over() {
    let tied = ModelConfig {
        tied_embeddings: true,
        ..config()
    };
    let mut list = tensors(Naming::HuggingFace);
    list.push((
        "model.layers.0.self_attn.rotary_emb.inv_freq".into(),
        vec![2],
    ));
    let weights = Weights::resolve(&tied, &index(Naming::HuggingFace, &list)).unwrap();
    assert_eq!(weights.output, None);
}

#[test]
fn frequency_factors_are_found_and_checked() {
    let mut list = tensors(Naming::Gguf);
    list.push(("rope_freqs.weight".into(), vec![2]));
    let weights = Weights::resolve(&config(), &index(Naming::Gguf, &list)).unwrap();
    assert_eq!(
        weights.rope_freqs.map(|freqs| (freqs.rows, freqs.cols)),
        Some((1, 2))
    );
    list.last_mut().unwrap().1 = vec![3];
    let error = refused(&config(), Naming::Gguf, &list);
    assert!(
        matches!(error, WeightsError::Shape { wanted: [1, 2], .. }),
        "{error}"
    );
}
