//! What each operation accounts for, against sums written out from its shapes.

use dacapo::{CommandEncoder, Graph, MemoryKind};

use crate::Ops;
use crate::attention::AttentionOptions;
use crate::dtype::DType;
use crate::gelu_mul::Form;
use crate::linear::{Epilogue, Linear};
use crate::reference::Bench;
use crate::rope::Layout;
use crate::rope_append::{Norms, Operands};
use crate::sample::SampleParams;
use crate::tensor::Tensor;
use crate::testing::{Case, Random, devices};

/// Bytes read, bytes written and operations.
pub(super) type Counts = [u64; 3];

/// The operations of a device.
pub(super) struct Setup {
    pub(super) bench: Bench,
    pub(super) ops: Ops,
}

impl Setup {
    /// On the processor and on the GPU.
    pub(super) fn each() -> impl Iterator<Item = Setup> {
        // One processor: the number of threads makes no difference.
        let mut seen = [false; 2];
        let devices = devices().filter(move |device| {
            !core::mem::replace(&mut seen[usize::from(device.gpu().is_some())], true)
        });
        devices.map(|device| Setup {
            ops: Ops::new(&device).unwrap(),
            bench: Bench { device },
        })
    }

    pub(super) fn f32(&self, shape: &[usize]) -> Tensor {
        self.bench.zeros(DType::F32, shape)
    }

    pub(super) fn u32(&self, shape: &[usize]) -> Tensor {
        self.bench.zeros(DType::U32, shape)
    }

    pub(super) fn weights(&self, dtype: DType, rows: usize, cols: usize) -> Tensor {
        let case = Case::new(&mut Random::new(1), dtype, rows, cols);
        let linear = &self.ops.linear;
        linear
            .weights(&self.bench.device, "w", &case.matrix())
            .unwrap()
    }

    /// What the nodes of a graph account for together, at an extent.
    pub(super) fn counts_at(
        &self,
        extent: Option<u64>,
        encode: impl FnOnce(&mut CommandEncoder) -> crate::Result<()>,
    ) -> Counts {
        let graph = Graph::capture(&self.bench.device, encode).unwrap();
        counts_of(&graph, extent)
    }

    fn counts(&self, encode: impl FnOnce(&mut CommandEncoder) -> crate::Result<()>) -> Counts {
        self.counts_at(None, encode)
    }
}

pub(super) fn counts_of(graph: &Graph, extent: Option<u64>) -> Counts {
    let all = graph.nodes().iter().map(|node| {
        assert!(node.kernel().source().has_work(), "{node:?}");
        node.work(extent)
    });
    let all: dacapo::Work = all.sum();
    [all.read, all.written, all.operations]
}

#[test]
fn of_elements() {
    for s in Setup::each() {
        let ops = &s.ops;
        for (rows, width) in [(1, 576), (5, 33)] {
            let [x, y, z] = [(); 3].map(|()| s.f32(&[rows, width]));
            let row = s.f32(&[width]);
            let (n, w) = ((rows * width) as u64, width as u64);
            let counts = s.counts(|e| ops.add.encode(e, &x, &y));
            assert_eq!(counts, [8 * n, 4 * n, n]);
            let counts = s.counts(|e| ops.add.encode(e, &x, &row));
            assert_eq!(counts, [4 * n + 4 * w, 4 * n, n]);
            let counts = s.counts(|e| ops.mul.encode(e, &x, &row));
            assert_eq!(counts, [4 * n + 4 * w, 4 * n, n]);
            let counts = s.counts(|e| ops.scale.encode(e, &x, 2.0));
            assert_eq!(counts, [4 * n, 4 * n, n]);
            let counts = s.counts(|e| ops.softcap.encode(e, &x, 2.0));
            assert_eq!(counts, [4 * n, 4 * n, 3 * n]);
            let counts = s.counts(|e| ops.silu_mul.encode(e, &x, &y, &z));
            assert_eq!(counts, [8 * n, 4 * n, 4 * n]);
            for (form, each) in [(Form::Tanh, 10), (Form::Erf, 6)] {
                let counts = s.counts(|e| ops.gelu_mul.encode(e, form, &x, &y, &z));
                assert_eq!(counts, [8 * n, 4 * n, each * n]);
            }
        }
    }
}

#[test]
fn of_rows_of_logits() {
    for s in Setup::each() {
        let ops = &s.ops;
        for (rows, width) in [(1, 512), (3, 97)] {
            let x = s.f32(&[rows, width]);
            let [ids, tokens, positions] = [(); 3].map(|()| s.u32(&[rows]));
            let (r, n) = (rows as u64, (rows * width) as u64);
            let counts = s.counts(|e| ops.softmax.encode(e, &x));
            assert_eq!(counts, [4 * n, 4 * n, 5 * n]);
            let counts = s.counts(|e| ops.argmax.encode(e, &x, &ids));
            assert_eq!(counts, [4 * n, 4 * r, n]);
            let (values, best) = (s.f32(&[rows, 5]), s.u32(&[rows, 5]));
            let counts = s.counts(|e| ops.top_k.encode(e, &x, &values, &best));
            assert_eq!(counts, [4 * n, 40 * r, n]);
            let counts = s.counts(|e| ops.advance.encode(e, &ids, &tokens, &positions));
            assert_eq!(counts, [8 * r, 8 * r, r]);

            let draw = |temperature, top_k| {
                let params = SampleParams {
                    temperature,
                    top_k,
                    ..SampleParams::GREEDY
                };
                s.counts(|e| ops.sample.encode(e, &x, &params, &positions, &ids))
            };
            assert_eq!(draw(0.0, 0), [4 * n, 4 * r, n]);
            assert_eq!(draw(0.5, 0), [4 * n + 4 * r, 4 * r, 7 * n]);
            assert_eq!(draw(0.5, 3), [4 * n + 4 * r, 4 * r, n + 18 * r]);
            assert_eq!(draw(0.5, u32::MAX), draw(0.5, 0));
        }
    }
}

#[test]
fn of_norms() {
    for s in Setup::each() {
        let norm = &s.ops.rms_norm;
        // Widths of whole vectors and others, which are different kernels.
        for (rows, width) in [(1, 576), (5, 33)] {
            let [h, x, out] = [(); 3].map(|()| s.f32(&[rows, width]));
            let weight = s.f32(&[width]);
            let (r, w) = (rows as u64, width as u64);
            let n = r * w;
            let counts = s.counts(|e| norm.encode(e, &x, &weight, 1e-5, &out));
            assert_eq!(counts, [4 * n + 4 * w, 4 * n, 4 * n + 3 * r]);
            let counts = s.counts(|e| norm.encode_unweighted(e, &x, 1e-5, &out));
            assert_eq!(counts, [4 * n, 4 * n, 3 * n + 3 * r]);
            let counts = s.counts(|e| norm.encode_heads(e, &x, &weight, 1e-5));
            assert_eq!(counts, [4 * n + 4 * w, 4 * n, 4 * n + 3 * r]);
            let counts = s.counts(|e| norm.encode_residual(e, &h, &x, &weight, 1e-5, &out));
            assert_eq!(counts, [8 * n + 4 * w, 8 * n, 5 * n + 3 * r]);
        }
    }
}

/// Rows of the table that are not asked for are not read, and none is read twice.
#[test]
fn of_embeddings() {
    for s in Setup::each() {
        for (dtype, row) in [
            (DType::F32, 4 * 64),
            (DType::Q4_1, 2 * 20),
            (DType::BF16, 2 * 64),
        ] {
            let case = Case::new(&mut Random::new(1), dtype, 50, 64);
            let table = case.tensor(&s.bench.device, 8);
            for (tokens, rows) in [(1, 1), (7, 7), (60, 50)] {
                let (ids, out) = (s.u32(&[tokens]), s.f32(&[tokens, 64]));
                let counts = s.counts(|e| s.ops.embed.encode(e, &table, &ids, &out));
                let t = tokens as u64;
                assert_eq!(counts, [rows * row + 4 * t, 256 * t, 0], "{dtype}");
            }
        }
    }
}

#[test]
fn of_rotations_and_caches() {
    for s in Setup::each() {
        let ops = &s.ops;
        for (tokens, heads, kv_heads, head_dim, dims) in [(1, 4, 2, 16, 16), (3, 9, 3, 20, 12)] {
            let q = s.f32(&[tokens, heads, head_dim]);
            let [k, v] = [(); 2].map(|()| s.f32(&[tokens, kv_heads, head_dim]));
            let (positions, frequencies) = (s.u32(&[tokens]), s.u32(&[dims / 2, 2]));
            let [of_q, of_k] = [(); 2].map(|()| s.f32(&[head_dim]));
            let layout = Layout::Pairs;
            let [t, h, kv, d, turning] =
                [tokens, heads, kv_heads, head_dim, dims].map(|n| n as u64);
            let counts = s.counts(|e| ops.rope.encode(e, &q, &positions, &frequencies, layout));
            let turned = 4 * t * h * turning;
            let angles = 4 * t + 4 * turning;
            assert_eq!(counts, [turned + angles, turned, 9 * t * h * turning / 2]);

            for (dtype, size) in [(DType::F16, 2), (DType::F32, 4)] {
                let [k_cache, v_cache] =
                    [(); 2].map(|()| s.bench.zeros(dtype, &[kv_heads, 40, head_dim]));
                let counts = s.counts(|e| {
                    let append = &ops.kv_append;
                    append.encode(e, &k, &v, &positions, &k_cache, &v_cache)
                });
                let row = kv * d;
                assert_eq!(counts, [8 * t * row + 4 * t, 2 * size * t * row, 0]);

                let both = |norms| {
                    let operands = Operands {
                        q: &q,
                        k: &k,
                        v: &v,
                        positions: &positions,
                        frequencies: &frequencies,
                        layout,
                        norms,
                        k_cache: &k_cache,
                        v_cache: &v_cache,
                    };
                    s.counts(|e| ops.rope_append.encode(e, &operands))
                };
                let pairs = t * (h + kv) * turning / 2;
                let expected = [
                    turned + 8 * t * row + angles,
                    turned + 2 * size * t * row,
                    9 * pairs,
                ];
                assert_eq!(both(None), expected);
                let norms = Norms {
                    q: &of_q,
                    k: &of_k,
                    eps: 1e-6,
                };
                // Norms change what does not turn, too.
                let changed = 4 * t * h * d;
                let expected = [
                    changed + 8 * t * row + angles + 8 * d,
                    changed + 2 * size * t * row,
                    9 * pairs + t * (h + kv) * (4 * d + 3),
                ];
                assert_eq!(both(Some(norms)), expected);
            }
        }
    }
}

/// The positions that rows see, one by one: of `tokens` at the end of `context`, in a ring of `capacity`.
fn seen(tokens: u64, context: u64, capacity: u64) -> u64 {
    let oldest = context.saturating_sub(capacity);
    let positions = context - tokens..context;
    let rows = positions.map(|position| (oldest..context).filter(|&at| at <= position).count());
    rows.sum::<usize>() as u64
}

#[test]
fn of_attention() {
    for s in Setup::each() {
        // The last goes to the kernel for many rows.
        for (tokens, heads, kv_heads, head_dim, capacity) in
            [(1, 4, 2, 16, 40), (3, 9, 3, 24, 50), (32, 4, 2, 64, 100)]
        {
            let [q, out] = [(); 2].map(|()| s.f32(&[tokens, heads, head_dim]));
            let positions = s.u32(&[tokens]);
            let [t, h, kv, d, all] =
                [tokens, heads, kv_heads, head_dim, capacity].map(|n| n as u64);
            for (dtype, size) in [(DType::F16, 2), (DType::F32, 4)] {
                let [k, v] =
                    [(); 2].map(|()| s.bench.zeros(dtype, &[kv_heads, capacity, head_dim]));
                for (softcap, capping) in [(None, 0), (Some(30.0), 3)] {
                    let options = AttentionOptions {
                        scale: 0.25,
                        softcap,
                    };
                    for extent in [None, Some(t), Some(35), Some(all), Some(1000)] {
                        let attention = &s.ops.attention;
                        let counts = s.counts_at(extent, |e| {
                            attention.encode(e, &q, &k, &v, &positions, options, &out)
                        });
                        let context = extent.unwrap_or(all);
                        let scores = h * seen(t, context, all);
                        let expected = [
                            4 * t * h * d + 2 * context.min(all) * kv * d * size + 4 * t,
                            4 * t * h * d,
                            // Scores and values, scale, cap, softmax; the quotient at the end.
                            scores * (2 * d + 2 * d + 1 + capping + 4) + t * h * d,
                        ];
                        assert_eq!(counts, expected, "{tokens} {dtype} {extent:?}");
                    }
                }
            }
        }
    }
}

/// Of all kinds of kernels: few and many tokens, integers and floats, all that can happen to a product.
#[test]
fn of_products() {
    for s in Setup::each() {
        let (rows, cols) = (72, 256);
        let scratch = Linear::scratch_bytes(80, cols);
        let scratch = s.bench.device.buffer(scratch, MemoryKind::DeviceLocal);
        let scratch = (*scratch.unwrap()).clone();
        for (dtype, row) in [
            (DType::Q4_1, 8 * 20),
            (DType::Q8_0, 8 * 34),
            (DType::BF16, 2 * 256),
            (DType::F32, 4 * 256),
        ] {
            let w = s.weights(dtype, rows, cols);
            let bias = s.f32(&[rows]);
            for tokens in [1, 3, 7, 70] {
                let (x, out) = (s.f32(&[tokens, cols]), s.f32(&[tokens, rows]));
                let [m, n, t] = [rows, cols, tokens].map(|n| n as u64);
                let counts = |epilogue| {
                    let linear = &s.ops.linear;
                    let encode =
                        |e: &mut CommandEncoder| linear.encode(e, &w, &x, epilogue, &scratch, &out);
                    let graph = Graph::capture(&s.bench.device, encode).unwrap();
                    let [mut read, mut written, operations] = counts_of(&graph, None);
                    if let [quantize, _] = graph.nodes() {
                        assert_eq!(quantize.op_kind(), "quantize");
                        // Groups of 256 integers of two bytes with 8 scales and 16 sums, between the two.
                        let quantized = t * n / 256 * (512 + 32 + 64);
                        (read, written) = (read - quantized, written - quantized);
                    }
                    [read, written, operations]
                };
                let read = m * row + 4 * t * n;
                let (out, operations) = (4 * t * m, 2 * t * m * n);
                let plain = counts(Epilogue::None);
                assert_eq!(plain, [read, out, operations], "{dtype} {tokens}");
                let biased = counts(Epilogue::Bias(&bias));
                assert_eq!(biased, [read + 4 * m, out, operations + t * m]);
                let added = counts(Epilogue::Accumulate);
                assert_eq!(added, [read + out, out, operations + t * m]);
            }
        }
    }
}

/// Calls that nobody makes must not end in a panic.
#[test]
fn of_calls_that_make_no_sense() {
    for s in Setup::each() {
        drop(s.weights(DType::Q8_0, 32, 64));
        let sources = s.bench.device.kernel_sources();
        assert!(sources.len() >= 10, "{}", sources.len());
        let bound: Vec<(u32, u64)> = (0..16).map(|slot| (slot, u64::MAX)).collect();
        for source in sources {
            for inline in [&[][..], &[0; 64], &[0xff; 64], &[0x7f; 64]] {
                for bound in [&bound[..], &[]] {
                    for extent in [None, Some(0), Some(u64::MAX)] {
                        let call = dacapo::Dispatched::new(inline, bound, [u32::MAX; 3]);
                        // Only that it returns.
                        let _ = source.work_of(&call.with_extent(extent));
                    }
                }
            }
        }
    }
}
