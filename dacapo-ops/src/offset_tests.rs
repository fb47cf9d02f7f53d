//! Tensors that lie at any multiple of four bytes, where devices take them, give the same as aligned ones.

use dacapo::{Device, MemoryKind};
use half::f16;

use crate::attention::AttentionOptions;
use crate::dtype::DType;
use crate::linear::{Epilogue, Input, Norm, Product};
use crate::ops::Ops;
use crate::reference::{Bench, assert_close, noise, on_devices};
use crate::rope::{Config, Layout, Scaling, frequencies};
use crate::sample::SampleParams;
use crate::tensor::Tensor;
use crate::testing::{Case, Random};

/// A bench whose tensors all start at one offset of their buffers.
struct Shifted<'a> {
    device: &'a Device,
    at: u64,
}

impl Shifted<'_> {
    fn tensor<T: bytemuck::Pod>(&self, dtype: DType, shape: &[usize], values: &[T]) -> Tensor {
        let len = self.at + size_of_val(values) as u64;
        let buffer = self.device.buffer(len, MemoryKind::DeviceLocal).unwrap();
        let view = buffer.slice(self.at..).unwrap();
        view.write(values).unwrap();
        Tensor::new(view, dtype, shape).unwrap()
    }

    fn noise(&self, seed: u64, shape: &[usize]) -> Tensor {
        self.tensor(DType::F32, shape, &noise(seed, shape.iter().product()))
    }

    fn zeros(&self, shape: &[usize]) -> Tensor {
        self.tensor(DType::F32, shape, &vec![0f32; shape.iter().product()])
    }
}

#[test]
fn any_offset_gives_the_same() {
    on_devices(|bench| {
        let is_gpu = bench.device.gpu().is_some();
        if !is_gpu || bench.device.limits().min_binding_alignment > 4 {
            return;
        }
        let ops = Ops::new(&bench.device).unwrap();
        let results = |at| {
            let shifted = Shifted {
                device: &bench.device,
                at,
            };
            let mut results = products(bench, &ops, &shifted);
            results.extend(attentions(bench, &ops, &shifted));
            results.extend(rotations(bench, &ops, &shifted));
            (results, choices(bench, &ops, &shifted))
        };
        let (aligned, chosen) = results(16);
        for at in [4, 24] {
            let (found, ids) = results(at);
            assert_eq!(found.len(), aligned.len());
            for (found, aligned) in found.iter().zip(&aligned) {
                let exact: Vec<f64> = aligned.iter().map(|x| f64::from(*x)).collect();
                assert_close(found, &exact, 1e-4, 1e-5);
            }
            assert_eq!(ids, chosen);
        }
    });
}

fn products(bench: &Bench, ops: &Ops, shifted: &Shifted<'_>) -> Vec<Vec<f32>> {
    let mut random = Random::new(90);
    let mut results = Vec::new();
    for dtype in [DType::F32, DType::BF16, DType::Q4_1] {
        let cols = 64;
        let case = Case::new(&mut random, dtype, 20, cols);
        let w = ops.linear.weights(&bench.device, "w", &case.matrix());
        let w = &w.unwrap();
        let scratch = bench.device.buffer(1, MemoryKind::DeviceLocal).unwrap();
        for tokens in [1, 3, 9] {
            let x = shifted.noise(91, &[tokens, cols]);
            let [plain, normed] = [(); 2].map(|()| shifted.zeros(&[tokens, 20]));
            let weight = shifted.noise(92, &[cols]);
            bench
                .run(|encoder| {
                    let epilogue = Epilogue::None;
                    ops.linear
                        .encode(encoder, w, &x, epilogue, &scratch, &plain)?;
                    if tokens > 8 {
                        return Ok(());
                    }
                    let out = &normed;
                    let norm = Norm {
                        weight: &weight,
                        eps: 1e-5,
                    };
                    let input = Input {
                        x: &x,
                        norm: Some(norm),
                    };
                    ops.linear
                        .encode_together(encoder, &[Product { w, epilogue, out }], input)
                })
                .unwrap();
            results.extend([plain, normed].map(|out| bench.read(&out)));
        }
    }
    results
}

fn attentions(bench: &Bench, ops: &Ops, shifted: &Shifted<'_>) -> Vec<Vec<f32>> {
    let (heads, kv_heads, head_dim, capacity) = (4, 2, 16, 48);
    let shape = [kv_heads, capacity, head_dim];
    let values = [93, 94].map(|seed| noise(seed, shape.iter().product()));
    let mut results = Vec::new();
    for cache in [DType::F16, DType::F32] {
        let [k, v] = values.each_ref().map(|values| match cache {
            DType::F16 => {
                let halves: Vec<f16> = values.iter().map(|x| f16::from_f32(*x)).collect();
                shifted.tensor(cache, &shape, &halves)
            }
            _ => shifted.tensor(cache, &shape, values),
        });
        for tokens in [1, 20] {
            let q = shifted.noise(95, &[tokens, heads, head_dim]);
            let out = shifted.zeros(&[tokens, heads, head_dim]);
            let positions: Vec<u32> = (20..20 + tokens as u32).collect();
            let positions = shifted.tensor(DType::U32, &[tokens], &positions);
            let options = AttentionOptions {
                scale: 0.25,
                softcap: None,
            };
            bench
                .run(|e| {
                    ops.attention
                        .encode(e, &q, &k, &v, &positions, options, &out)
                })
                .unwrap();
            results.push(bench.read(&out));
        }
    }
    results
}

fn rotations(bench: &Bench, ops: &Ops, shifted: &Shifted<'_>) -> Vec<Vec<f32>> {
    let x = shifted.noise(96, &[2, 3, 16]);
    let config = Config {
        dims: 16,
        theta: 10_000.0,
        scaling: Scaling::None,
        factors: &[],
    };
    let turns = frequencies(&config).unwrap();
    let turns = shifted.tensor(DType::U32, &[8, 2], &turns);
    let positions = shifted.tensor(DType::U32, &[2], &[5u32, 700]);
    bench
        .run(|encoder| {
            ops.rope
                .encode(encoder, &x, &positions, &turns, Layout::Halves)
        })
        .unwrap();
    vec![bench.read(&x)]
}

fn choices(bench: &Bench, ops: &Ops, shifted: &Shifted<'_>) -> Vec<Vec<u32>> {
    let logits = shifted.noise(97, &[2, 200]);
    let ids = [(); 2].map(|()| shifted.tensor(DType::U32, &[2], &[0u32; 2]));
    let best = shifted.tensor(DType::U32, &[2, 5], &[0u32; 10]);
    let values = shifted.zeros(&[2, 5]);
    let positions = shifted.tensor(DType::U32, &[2], &[5u32, 700]);
    let params = SampleParams {
        temperature: 0.7,
        ..SampleParams::GREEDY
    };
    bench
        .run(|encoder| {
            ops.argmax.encode(encoder, &logits, &ids[0])?;
            ops.top_k.encode(encoder, &logits, &values, &best)?;
            ops.sample
                .encode(encoder, &logits, &params, &positions, &ids[1])
        })
        .unwrap();
    let [first, drawn] = ids.map(|ids| bench.read(&ids));
    vec![first, drawn, bench.read(&best)]
}
