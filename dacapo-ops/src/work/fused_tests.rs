//! Fused operations have all operations of their parts, and their traffic but for what the parts passed each other and
//! what several of them read.

use dacapo::{BufferView, CommandEncoder, Graph, MemoryKind, PlanOptions};

use super::tests::{Counts, Setup, counts_of};
use crate::attention::AttentionOptions;
use crate::dtype::DType;
use crate::gelu_mul::Form;
use crate::linear::{Epilogue, Linear};
use crate::rope::Layout;
use crate::rope_append::Operands;
use crate::tensor::Tensor;

const EPS: f32 = 1e-5;

impl Setup {
    fn scratch(&self) -> BufferView {
        let len = Linear::scratch_bytes(8, 256);
        let buffer = self.bench.device.buffer(len, MemoryKind::DeviceLocal);
        (*buffer.unwrap()).clone()
    }

    /// Checks what became of `encode`: these operations, with `saved` bytes less read and written and so many more
    /// arithmetic operations than the parts.
    #[track_caller]
    fn fuses(
        &self,
        ops: &[&str],
        saved: [u64; 2],
        repeated: u64,
        encode: impl FnOnce(&mut CommandEncoder) -> crate::Result<()>,
    ) {
        let graph = Graph::capture(&self.bench.device, encode).unwrap();
        let rules = self.ops.fusion_rules();
        let options = PlanOptions {
            rules: &rules,
            ..PlanOptions::default()
        };
        let plan = graph.plan(&options).unwrap();
        let nodes = plan.graph().nodes().iter();
        let found: Vec<&str> = nodes.map(|node| node.op_kind()).collect();
        assert_eq!(found, ops, "{:?}", plan.report().fusion.near_misses);
        let parts: Counts = counts_of(&graph, None);
        let fused = counts_of(plan.graph(), None);
        let [read, written] = saved;
        let expected = [parts[0] - read, parts[1] - written, parts[2] + repeated];
        assert_eq!(fused, expected, "of {parts:?}");
    }
}

fn discard(e: &mut CommandEncoder, tensors: &[&Tensor]) -> crate::Result<()> {
    for tensor in tensors {
        e.discard(tensor.view())?;
    }
    Ok(())
}

#[test]
fn norms() {
    for s in Setup::each() {
        let (add, mul, norm) = (&s.ops.add, &s.ops.mul, &s.ops.rms_norm);
        for (rows, width) in [(1, 64), (5, 33)] {
            let [h, x, out] = [(); 3].map(|()| s.f32(&[rows, width]));
            let weight = s.f32(&[width]);
            let bytes = 4 * (rows * width) as u64;
            // The sum is written, but not read again.
            s.fuses(&["rms_norm_residual"], [bytes, 0], 0, |e| {
                add.encode(e, &h, &x)?;
                norm.encode(e, &h, &weight, EPS, &out)
            });
            s.fuses(&["rms_norm"], [bytes, bytes], 0, |e| {
                norm.encode_unweighted(e, &x, EPS, &out)?;
                mul.encode(e, &out, &weight)
            });
        }
    }
}

#[test]
fn rotations() {
    for s in Setup::each() {
        let (norm, rope, append) = (&s.ops.rms_norm, &s.ops.rope, &s.ops.kv_append);
        for (tokens, heads, kv_heads) in [(1, 4, 2), (6, 9, 3)] {
            for normed in [false, true] {
                let q = s.f32(&[tokens, heads, 16]);
                let [k, v] = [(); 2].map(|()| s.f32(&[tokens, kv_heads, 16]));
                let (positions, table) = (s.u32(&[tokens]), s.u32(&[8, 2]));
                let weights = [(); 2].map(|()| s.f32(&[16]));
                let caches = [(); 2].map(|()| s.bench.zeros(DType::F16, &[kv_heads, 40, 16]));
                let [of_q, of_k] = [heads, kv_heads].map(|heads| 4 * 16 * (tokens * heads) as u64);
                // k stays as it was. Three parts read the positions, two the table.
                let mut saved = [of_k + 2 * 4 * tokens as u64 + 64, of_k];
                if normed {
                    saved = saved.map(|bytes| bytes + of_q + of_k);
                }
                s.fuses(&["rope_append"], saved, 0, |e| {
                    if normed {
                        norm.encode_heads(e, &q, &weights[0], EPS)?;
                        norm.encode_heads(e, &k, &weights[1], EPS)?;
                    }
                    rope.encode(e, &q, &positions, &table, Layout::Halves)?;
                    rope.encode(e, &k, &positions, &table, Layout::Halves)?;
                    append.encode(e, &k, &v, &positions, &caches[0], &caches[1])?;
                    discard(e, &[&k])
                });
            }
        }
    }
}

/// Products of one input, on all devices.
#[test]
fn products_of_one_input() {
    for s in Setup::each() {
        let (linear, scratch) = (&s.ops.linear, s.scratch());
        for (dtype, tokens) in [(DType::Q4_1, 1), (DType::F32, 3)] {
            let rows = [64, 32, 16];
            let weights = rows.map(|rows| s.weights(dtype, rows, 128));
            let outs = rows.map(|rows| s.f32(&[tokens, rows]));
            let x = s.f32(&[tokens, 128]);
            let bytes = 4 * 128 * tokens as u64;
            for count in [2, 3] {
                let read_again = (count - 1) as u64 * bytes;
                s.fuses(&["matvec_each"], [read_again, 0], 0, |e| {
                    let products = weights.iter().zip(&outs).take(count);
                    for (w, out) in products {
                        linear.encode(e, w, &x, Epilogue::None, &scratch, out)?;
                    }
                    Ok(())
                });
            }
        }
    }
}

/// What goes before and after products, on a GPU: few tokens, and many.
#[test]
fn around_products() {
    let Some(s) = Setup::each().find(|s| s.bench.device.gpu().is_some()) else {
        return;
    };
    let (ops, linear, scratch) = (&s.ops, &s.ops.linear, s.scratch());
    let (rows, cols) = (48, 128);
    for (dtype, tokens) in [(DType::Q4_1, 1), (DType::F16, 3), (DType::Q8_0, 20)] {
        let w = s.weights(dtype, rows, cols);
        let other = s.weights(dtype, rows, cols);
        let (h, x) = (s.f32(&[tokens, cols]), s.f32(&[tokens, cols]));
        let [a, b, c] = [(); 3].map(|()| s.f32(&[tokens, rows]));
        let (bias, weight, ids) = (s.f32(&[rows]), s.f32(&[cols]), s.u32(&[tokens]));
        let t = tokens as u64;
        let (input, out) = (4 * t * cols as u64, 4 * t * rows as u64);
        let product = |e: &mut CommandEncoder, w: &Tensor, x: &Tensor, out: &Tensor| {
            linear.encode(e, w, x, Epilogue::None, &scratch, out)
        };
        let few = tokens < 8;
        let [plain, added] = match few {
            true => ["matvec", "matvec_add"],
            false => ["matmul", "matmul_add"],
        };
        s.fuses(&[added], [out, out], 0, |e| {
            product(e, &w, &x, &a)?;
            ops.add.encode(e, &b, &a)?;
            discard(e, &[&a])
        });
        s.fuses(&[plain], [out, out], 0, |e| {
            product(e, &w, &x, &a)?;
            ops.add.encode(e, &a, &bias)
        });
        if !few {
            continue;
        }
        s.fuses(&["matvec_argmax"], [out, out], 0, |e| {
            product(e, &w, &x, &a)?;
            ops.argmax.encode(e, &a, &ids)?;
            discard(e, &[&a])
        });
        s.fuses(&["matvec"], [input, input], 0, |e| {
            ops.rms_norm.encode(e, &h, &weight, EPS, &x)?;
            product(e, &w, &x, &a)?;
            discard(e, &[&x])
        });
        let gated = |e: &mut CommandEncoder, gelu| {
            product(e, &w, &x, &a)?;
            product(e, &other, &x, &b)?;
            match gelu {
                None => ops.silu_mul.encode(e, &a, &b, &c)?,
                Some(form) => ops.gelu_mul.encode(e, form, &a, &b, &c)?,
            }
            discard(e, &[&a, &b])
        };
        for gelu in [None, Some(Form::Tanh), Some(Form::Erf)] {
            let saved = [2 * out + input, 2 * out];
            s.fuses(&["matvec_gate_up"], saved, 0, |e| gated(e, gelu));
        }
        // Norm, products and gate are one; the input is neither written nor read by two.
        let saved = [2 * out + 2 * input, 2 * out + input];
        s.fuses(&["matvec_gate_up"], saved, 0, |e| {
            ops.rms_norm.encode(e, &h, &weight, EPS, &x)?;
            gated(e, None)?;
            discard(e, &[&x])
        });
    }
}

/// Weights of two types take two dispatches, each of which norms by itself.
#[test]
fn norms_that_are_computed_twice() {
    let Some(s) = Setup::each().find(|s| s.bench.device.gpu().is_some()) else {
        return;
    };
    let (ops, linear, scratch) = (&s.ops, &s.ops.linear, s.scratch());
    let dtypes = [DType::Q4_1, DType::Q4_1, DType::Q8_0];
    let weights = dtypes.map(|dtype| s.weights(dtype, 32, 128));
    let outs = dtypes.map(|_| s.f32(&[1, 32]));
    let (h, x, weight) = (s.f32(&[1, 128]), s.f32(&[1, 128]), s.f32(&[128]));
    let input = 512;
    // Of the parts the norm reads two rows, its input and its weight, and each product one; now it is two rows each.
    s.fuses(
        &["matvec_each", "matvec"],
        [(2 + 3) * input - 2 * 2 * input, input],
        4 * 128 + 3,
        |e| {
            ops.rms_norm.encode(e, &h, &weight, EPS, &x)?;
            for (w, out) in weights.iter().zip(&outs) {
                linear.encode(e, w, &x, Epilogue::None, &scratch, out)?;
            }
            discard(e, &[&x])
        },
    );
}

/// A chain has the work of its four products, and of the attention before them but for what that gives, which vanishes.
#[test]
fn chains() {
    let Some(s) = Setup::each().find(|s| !s.ops.linear.chain_rules(&s.ops.attention).is_empty())
    else {
        return;
    };
    // Floats, two planes, and values of a type of their own.
    for [dtype, values] in [
        [DType::F16; 2],
        [DType::Q8_0; 2],
        [DType::Q4_0, DType::Q4_1],
    ] {
        for biased in [false, true] {
            chain_of(&s, dtype, values, biased);
        }
    }
}

#[track_caller]
fn chain_of(s: &Setup, dtype: DType, values: DType, biased: bool) {
    let (ops, linear, scratch) = (&s.ops, &s.ops.linear, s.scratch());
    let (width, gated) = (64, 96);
    let [output, q, k] = [(); 3].map(|()| s.weights(dtype, width, width));
    let v = s.weights(values, width, width);
    let [gate_w, up_w] = [(); 2].map(|()| s.weights(dtype, gated, width));
    let down = s.weights(dtype, width, gated);
    let [attended, hidden, update, normed] = [(); 4].map(|()| s.f32(&[1, width]));
    let [q_out, k_out, v_out] = [(); 3].map(|()| s.f32(&[1, width]));
    let [gate, up, both] = [(); 3].map(|()| s.f32(&[1, gated]));
    let norms = [(); 2].map(|()| s.f32(&[width]));
    let bias = s.f32(&[width]);
    let end = match biased {
        true => Epilogue::Bias(&bias),
        false => Epilogue::None,
    };
    let product = |e: &mut CommandEncoder, w: &Tensor, x: &Tensor, out: &Tensor| {
        linear.encode(e, w, x, Epilogue::None, &scratch, out)
    };
    let (positions, table) = (s.u32(&[1]), s.u32(&[8, 2]));
    let caches = [(); 2].map(|()| s.bench.zeros(DType::F16, &[4, 40, 16]));
    let attend = |e: &mut CommandEncoder| {
        let cut = |x: &Tensor| x.reshape(&[1, 4, 16]);
        let (q, out) = (cut(&q_out)?, cut(&attended)?);
        let [k_cache, v_cache] = &caches;
        let operands = Operands {
            q: &q,
            k: &cut(&k_out)?,
            v: &cut(&v_out)?,
            positions: &positions,
            frequencies: &table,
            layout: Layout::Halves,
            norms: None,
            k_cache,
            v_cache,
        };
        ops.rope_append.encode(e, &operands)?;
        let options = AttentionOptions {
            scale: 0.25,
            softcap: None,
        };
        (ops.attention).encode(e, &q, k_cache, v_cache, &positions, options, &out)
    };
    let encode = |e: &mut CommandEncoder, attends: bool| {
        if attends {
            attend(e)?;
        }
        product(e, &output, &attended, &update)?;
        ops.add.encode(e, &hidden, &update)?;
        ops.rms_norm.encode(e, &hidden, &norms[0], EPS, &normed)?;
        product(e, &gate_w, &normed, &gate)?;
        product(e, &up_w, &normed, &up)?;
        ops.silu_mul.encode(e, &gate, &up, &both)?;
        product(e, &down, &both, &update)?;
        ops.add.encode(e, &hidden, &update)?;
        ops.rms_norm.encode(e, &hidden, &norms[1], EPS, &normed)?;
        for (w, out) in [(&q, &q_out), (&k, &k_out), (&v, &v_out)] {
            linear.encode(e, w, &normed, end, &scratch, out)?;
        }
        if attends {
            discard(e, &[&attended])?;
        }
        discard(e, &[&update, &normed, &gate, &up, &both])
    };
    let planned = |workgroups: u32, attends: bool| {
        let dtype = dtype.name().to_lowercase();
        let name = format!("matvec_chain {dtype} {gated}x{width} x1 workgroups a unit");
        s.ops.tuning().set(&name, workgroups);
        let graph =
            Graph::capture::<crate::Error>(&s.bench.device, |e| encode(e, attends)).unwrap();
        let rules = s.ops.fusion_rules();
        let options = PlanOptions {
            rules: &rules,
            ..PlanOptions::default()
        };
        let plan = graph.plan(&options).unwrap();
        let dispatches = plan.graph().nodes().len();
        (dispatches, counts_of(plan.graph(), None))
    };
    // Two dispatches read the activations of queries, keys and values and norm them; the chain does once.
    let twice = u64::from(dtype != values);
    for attends in [false, true] {
        let (apart, chained) = (planned(0, attends), planned(1, attends));
        let count = 4 + twice as usize + usize::from(attends);
        assert_eq!([apart.0, chained.0], [count, 1]);
        let row = 4 * width as u64;
        let vanishing = if attends { row } else { 0 };
        let [read, written, operations] = apart.1;
        let expected = [
            read - vanishing - twice * 2 * row,
            written - vanishing,
            operations - twice * (row + 3),
        ];
        assert_eq!(chained.1, expected, "{dtype}, {values}, attends: {attends}");
    }
}
