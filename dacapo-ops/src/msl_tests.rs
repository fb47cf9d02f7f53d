//! Every operation's kernels for a device like Apple's GPUs, in Metal's language.

use dacapo::{CommandEncoder, CooperativeMatrix, Graph};

use crate::attention::AttentionOptions;
use crate::dtype::DType;
use crate::gelu_mul::Form;
use crate::msl::written;
use crate::ops::Ops;
use crate::reference::Bench;
use crate::rope::Layout;
use crate::rope_append::{Norms, Operands};
use crate::sample::SampleParams;
use crate::tensor::Tensor;
use crate::testing::reference_with;

/// What a decoder of one shape does beside products.
struct Step {
    tokens: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    cache: DType,
}

#[test]
fn every_operation_runs_on_metal() {
    let bench = Bench {
        device: reference_with(Some(CooperativeMatrix::Size8)),
    };
    let ops = Ops::new(&bench.device).unwrap();
    Graph::capture(&bench.device, |encoder| {
        rows(&bench, &ops, encoder)?;
        for width in [64, 65] {
            choices(&bench, &ops, encoder, width)?;
        }
        for head_dim in [7, 36, 64, 80, 96, 128, 160, 256, 512] {
            for (tokens, heads) in [(1, 8), (1, 1), (3, 8), (40, 8), (40, 2)] {
                for cache in [DType::F16, DType::F32] {
                    let step = Step {
                        tokens,
                        heads,
                        kv_heads: heads.div_ceil(4),
                        head_dim,
                        cache,
                    };
                    heads_of(&bench, &ops, encoder, &step)?;
                }
            }
        }
        Ok::<_, crate::Error>(())
    })
    .unwrap();

    let mut names = Vec::new();
    for source in bench.device.kernel_sources() {
        // The runtime's own copies have no text.
        let Some(wgsl) = source.wgsl_form() else {
            continue;
        };
        let constants: Vec<_> = wgsl.constants().collect();
        if let Err(error) = written(wgsl.text(), &constants) {
            panic!("{}: {error}\n{}", source.name(), wgsl.text());
        }
        names.push(source.name().to_owned());
    }
    for (start, count) in [
        ("attention_split", 20),
        ("attention_tiled", 14),
        ("embed_", DType::WEIGHTS.len()),
        ("kv_append", 3),
        ("rope_append", 3),
        ("norm_rope_append", 3),
        ("rms_norm", 4),
        ("gelu_", 2),
        ("sample", 2),
        ("top_k", 2),
    ] {
        let found = names.iter().filter(|name| name.starts_with(start)).count();
        assert!(found >= count, "{found} kernels {start}: {names:?}");
    }
}

/// Elements and rows, whatever they stand for.
fn rows(bench: &Bench, ops: &Ops, encoder: &mut CommandEncoder) -> crate::Result<()> {
    for width in [64, 63] {
        let x = &bench.zeros(DType::F32, &[3, width]);
        let y = &bench.zeros(DType::F32, &[3, width]);
        let out = &bench.zeros(DType::F32, &[3, width]);
        let weight = &bench.zeros(DType::F32, &[width]);
        ops.add.encode(encoder, x, y)?;
        ops.mul.encode(encoder, x, y)?;
        ops.scale.encode(encoder, x, 2.0)?;
        ops.softcap.encode(encoder, x, 2.0)?;
        ops.silu_mul.encode(encoder, x, y, out)?;
        for form in [Form::Tanh, Form::Erf] {
            ops.gelu_mul.encode(encoder, form, x, y, out)?;
        }
        ops.rms_norm.encode(encoder, x, weight, 0.0, out)?;
        ops.rms_norm.encode_unweighted(encoder, x, 0.0, out)?;
        ops.rms_norm.encode_heads(encoder, x, weight, 0.0)?;
        ops.rms_norm
            .encode_residual(encoder, out, x, weight, 0.0, y)?;
    }
    let ids = &bench.zeros(DType::U32, &[3]);
    for dtype in DType::WEIGHTS {
        let table = bench.zeros(dtype, &[4, 256]);
        let out = bench.zeros(DType::F32, &[3, 256]);
        ops.embed.encode(encoder, &table, ids, &out)?;
    }
    let [tokens, positions] = [(); 2].map(|()| bench.zeros(DType::U32, &[3]));
    ops.advance.encode(encoder, ids, &tokens, &positions)
}

/// From logits to tokens.
fn choices(
    bench: &Bench,
    ops: &Ops,
    encoder: &mut CommandEncoder,
    width: usize,
) -> crate::Result<()> {
    let logits = &bench.zeros(DType::F32, &[2, width]);
    let [ids, positions] = [(); 2].map(|()| bench.zeros(DType::U32, &[2]));
    ops.softmax.encode(encoder, logits)?;
    ops.argmax.encode(encoder, logits, &ids)?;
    let params = SampleParams {
        temperature: 1.0,
        ..SampleParams::GREEDY
    };
    for params in [params, SampleParams::GREEDY] {
        ops.sample
            .encode(encoder, logits, &params, &positions, &ids)?;
    }
    let values = bench.zeros(DType::F32, &[2, 5]);
    let ids = bench.zeros(DType::U32, &[2, 5]);
    ops.top_k.encode(encoder, logits, &values, &ids)
}

/// What happens to queries, keys and values.
fn heads_of(
    bench: &Bench,
    ops: &Ops,
    encoder: &mut CommandEncoder,
    step: &Step,
) -> crate::Result<()> {
    let &Step {
        tokens,
        heads,
        kv_heads,
        head_dim,
        cache,
    } = step;
    let rows = |heads| bench.zeros(DType::F32, &[tokens, heads, head_dim]);
    let caches = [(); 2].map(|()| bench.zeros(cache, &[kv_heads, 64, head_dim]));
    let [k_cache, v_cache]: &[Tensor; 2] = &caches;
    let (q, k, v, out) = (&rows(heads), &rows(kv_heads), &rows(kv_heads), &rows(heads));
    let positions = &bench.zeros(DType::U32, &[tokens]);
    let frequencies = &bench.zeros(DType::U32, &[head_dim / 2, 2]);
    let [norm_q, norm_k] = &[(); 2].map(|()| bench.zeros(DType::F32, &[head_dim]));
    let norms = Norms {
        q: norm_q,
        k: norm_k,
        eps: 0.0,
    };
    for layout in [Layout::Pairs, Layout::Halves] {
        ops.rope
            .encode(encoder, q, positions, frequencies, layout)?;
        for norms in [None, Some(norms)] {
            let operands = Operands {
                q,
                k,
                v,
                positions,
                frequencies,
                layout,
                norms,
                k_cache,
                v_cache,
            };
            ops.rope_append.encode(encoder, &operands)?;
        }
    }
    ops.kv_append
        .encode(encoder, k, v, positions, k_cache, v_cache)?;
    let options = AttentionOptions {
        scale: 1.0,
        softcap: None,
    };
    ops.attention
        .encode(encoder, q, k_cache, v_cache, positions, options, out)
}

#[test]
fn what_metal_cannot_do_is_found() {
    let refused = |body: &str| {
        let text = format!(
            "var<workgroup> vectors: array<vec4<f32>, 64>;
            @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) at: u32) {{ {body} }}"
        );
        written(&text, &[]).unwrap_err()
    };
    for store in ["vectors[at][at % 4u] = 1.0;", "vectors[at].y = 1.0;"] {
        let within = format!("if at > 3u {{ loop {{ {store} break; }} }}");
        assert!(refused(&within).contains("an element of a shared vector"));
    }
    let big = "var<workgroup> big: array<f32, 8193>;
        @compute @workgroup_size(1) fn main() { big[0] = 1.0; }";
    let said = written(big, &[]).unwrap_err();
    assert!(said.contains("32784 bytes of threadgroup memory"), "{said}");
    let matrix = "enable f16; enable wgpu_cooperative_matrix;
        @group(0) @binding(0) var<storage, read_write> data: array<f32>;
        @compute @workgroup_size(32) fn main() {
            let a = coopLoad<coop_mat16x16<f32, C>>(&data[0], 16u);
            coopStore(a, &data[256], 16u);
        }";
    assert!(written(matrix, &[]).unwrap_err().contains("16x16"));
}
