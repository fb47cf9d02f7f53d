//! What fusing saves on the processor: `cargo bench -p dacapo-ops --bench fused [-- FILTER]`.
//!
//! One token through layers of SmolLM2-135M's shapes, each with weights of its own, Q4_1: the same work as separate
//! dispatches and fused, which take turns; medians of the time from commit to completion.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]

use std::num::NonZeroUsize;
use std::time::Instant;

use dacapo::{Buffer, CommandEncoder, Device, DeviceOptions, MemoryKind};
use dacapo_ops::dtype::DType;
use dacapo_ops::kv_append::KvAppend;
use dacapo_ops::linear::{Activation, Epilogue, Input, Linear, Norm, Product};
use dacapo_ops::rms_norm::RmsNorm;
use dacapo_ops::rope::{Config, Layout, Rope, Scaling, frequencies};
use dacapo_ops::rope_append::{Operands, RopeAppend};
use dacapo_ops::silu_mul::SiluMul;
use dacapo_ops::tensor::Tensor;
use dacapo_ops::{Result, add::Add};

/// Bytes of weights that one measurement goes through, so that they come from memory as a model's do.
const WORKING_SET: usize = 100 << 20;
const RUNS: usize = 101;
const WIDTH: usize = 576;
const FEED_FORWARD: usize = 1536;
const EPS: f32 = 1e-5;

struct Layer {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_out: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    norm: Tensor,
    caches: [Tensor; 2],
}

struct Bench {
    device: Device,
    layers: Vec<Layer>,
    linear: Linear,
    norm: RmsNorm,
    silu: SiluMul,
    add: Add,
    rope: Rope,
    append: KvAppend,
    rope_append: RopeAppend,
    hidden: Tensor,
    normed: Tensor,
    update: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gate: Tensor,
    up: Tensor,
    activated: Tensor,
    positions: Tensor,
    table: Tensor,
    scratch: Buffer,
}

fn main() -> Result<()> {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = |name: &str| filter.as_ref().is_none_or(|f| name.contains(f.as_str()));
    for threads in [1, 2] {
        let bench = Bench::new(threads)?;
        println!("{threads} threads, microseconds a layer");
        type Encode = fn(&Bench, &mut CommandEncoder, &Layer) -> Result<()>;
        let shapes = |rows: &[(usize, usize)]| -> usize {
            let bytes = rows
                .iter()
                .map(|&(rows, cols)| DType::Q4_1.matrix_bytes(rows, cols));
            bytes.flatten().sum()
        };
        let qkv = shapes(&[(960, WIDTH)]);
        let gate_up = shapes(&[(2 * FEED_FORWARD, WIDTH)]);
        let down = shapes(&[(WIDTH, FEED_FORWARD)]);
        let all = qkv + gate_up + down + shapes(&[(WIDTH, WIDTH)]);
        let cases: [(&str, usize, Encode, Encode); 11] = [
            ("q, k, v", qkv, Bench::qkv, Bench::qkv_fused),
            ("norm, q, k, v", qkv, Bench::norm_qkv, Bench::norm_qkv_half),
            (
                "norm in q, k, v",
                qkv,
                Bench::norm_qkv_half,
                Bench::norm_qkv_fused,
            ),
            (
                "gate, up",
                gate_up,
                Bench::gate_up_apart,
                Bench::gate_up_each,
            ),
            ("gate, up, silu", gate_up, Bench::gated, Bench::gated_fused),
            (
                "norm in gate, up",
                gate_up,
                Bench::norm_gated_half,
                Bench::norm_gated_fused,
            ),
            ("down, residual", down, Bench::down, Bench::down_fused),
            ("down, norm", down, Bench::down_norm, Bench::down_norm_fused),
            ("rope, append", all, Bench::rotate, Bench::rotate_fused),
            ("whole layer", all, Bench::layer, Bench::layer_some),
            ("whole, all rules", all, Bench::layer, Bench::layer_fused),
        ];
        for (name, bytes, apart, fused) in cases {
            if wanted(name) {
                let times = bench.times(WORKING_SET / bytes, [apart, fused])?;
                let [apart, fused] = times.each_ref().map(|times| times[RUNS / 2]);
                let [least_apart, least_fused] = times.each_ref().map(|times| times[RUNS / 10]);
                println!(
                    "  {name:<18} {apart:8.2} -> {fused:8.2} {:+5.1} %   first tenth {least_apart:8.2} -> {least_fused:8.2} {:+5.1} %",
                    (fused / apart - 1.0) * 100.0,
                    (least_fused / least_apart - 1.0) * 100.0
                );
            }
        }
    }
    Ok(())
}

/// Encodes a layer, in one way or another.
type Encode = fn(&Bench, &mut CommandEncoder, &Layer) -> Result<()>;

impl Bench {
    fn new(threads: usize) -> Result<Bench> {
        let device = Device::open(&DeviceOptions {
            threads: NonZeroUsize::new(threads),
            ..DeviceOptions::cpu()
        })?;
        let zeros = |shape: &[usize]| Tensor::zeros(&device, "", DType::F32, shape);
        let weights = |rows: usize, cols: usize| -> Result<Tensor> {
            let w = Tensor::zeros(&device, "w", DType::Q4_1, &[rows, cols])?;
            let len = w.view().len() as usize;
            // Small f16 numbers wherever the format expects them.
            let bytes: Vec<u8> = (0..len).map(|i| ((i * 37) >> 3) as u8 & 0x2f).collect();
            w.view().write(&bytes)?;
            Ok(w)
        };
        let most = WORKING_SET / DType::Q4_1.matrix_bytes(960, WIDTH).unwrap_or(1);
        let layers = (0..most).map(|_| {
            Ok(Layer {
                q: weights(576, WIDTH)?,
                k: weights(192, WIDTH)?,
                v: weights(192, WIDTH)?,
                attn_out: weights(WIDTH, 576)?,
                gate: weights(FEED_FORWARD, WIDTH)?,
                up: weights(FEED_FORWARD, WIDTH)?,
                down: weights(WIDTH, FEED_FORWARD)?,
                norm: zeros(&[WIDTH])?,
                caches: [
                    Tensor::zeros(&device, "", DType::F16, &[3, 512, 64])?,
                    Tensor::zeros(&device, "", DType::F16, &[3, 512, 64])?,
                ],
            })
        });
        let config = Config {
            dims: 64,
            theta: 1e4,
            scaling: Scaling::None,
            factors: &[],
        };
        let frequencies = frequencies(&config).unwrap_or_default();
        let table = Tensor::zeros(&device, "", DType::U32, &[frequencies.len(), 2])?;
        table.view().write(&frequencies)?;
        let hidden = zeros(&[1, WIDTH])?;
        let values: Vec<f32> = (0..WIDTH).map(|i| (i as f32 * 0.37).sin()).collect();
        hidden.view().write(&values)?;
        Ok(Bench {
            layers: layers.collect::<Result<_>>()?,
            linear: Linear::new(&device)?,
            norm: RmsNorm::new(&device)?,
            silu: SiluMul::new(&device)?,
            add: Add::new(&device)?,
            rope: Rope::new(&device)?,
            append: KvAppend::new(&device)?,
            rope_append: RopeAppend::new(&device)?,
            hidden,
            normed: zeros(&[1, WIDTH])?,
            update: zeros(&[1, WIDTH])?,
            q: zeros(&[1, 9, 64])?,
            k: zeros(&[1, 3, 64])?,
            v: zeros(&[1, 3, 64])?,
            gate: zeros(&[1, FEED_FORWARD])?,
            up: zeros(&[1, FEED_FORWARD])?,
            activated: zeros(&[1, FEED_FORWARD])?,
            positions: Tensor::zeros(&device, "", DType::U32, &[1])?,
            table,
            scratch: device.buffer(
                Linear::scratch_bytes(1, FEED_FORWARD),
                MemoryKind::DeviceLocal,
            )?,
            device,
        })
    }

    /// Microseconds a layer, the shortest first.
    fn times(&self, layers: usize, encodes: [Encode; 2]) -> Result<[Vec<f64>; 2]> {
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..RUNS {
            for (encode, times) in encodes.iter().zip(&mut times) {
                let mut encoder = self.device.encoder("bench")?;
                for layer in self.layers.iter().take(layers) {
                    encode(self, &mut encoder, layer)?;
                }
                let start = Instant::now();
                encoder.commit()?.wait()?;
                times.push(start.elapsed().as_secs_f64() * 1e6 / layers as f64);
            }
        }
        Ok(times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times
        }))
    }

    fn flat(&self) -> Result<[Tensor; 3]> {
        Ok([
            self.q.reshape(&[1, 576])?,
            self.k.reshape(&[1, 192])?,
            self.v.reshape(&[1, 192])?,
        ])
    }

    fn normed_input<'a>(&'a self, layer: &'a Layer) -> Input<'a> {
        let norm = Norm {
            weight: &layer.norm,
            eps: EPS,
        };
        Input {
            x: &self.hidden,
            norm: Some(norm),
        }
    }

    fn products(
        &self,
        e: &mut CommandEncoder,
        layer: &Layer,
        fused: Option<Input<'_>>,
    ) -> Result<()> {
        let [q, k, v] = self.flat()?;
        let product = |w, out| Product {
            w,
            epilogue: Epilogue::None,
            out,
        };
        let products = [
            product(&layer.q, &q),
            product(&layer.k, &k),
            product(&layer.v, &v),
        ];
        match fused {
            None => self
                .linear
                .encode_each(e, &products, &self.normed, &self.scratch),
            Some(input) => self.linear.encode_together(e, &products, input),
        }
    }

    fn norm(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.norm
            .encode(e, &self.hidden, &layer.norm, EPS, &self.normed)
    }

    fn qkv(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.products(e, layer, None)?;
        e.barrier();
        Ok(())
    }

    fn qkv_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.products(e, layer, Some((&self.normed).into()))?;
        e.barrier();
        Ok(())
    }

    fn norm_qkv(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.norm(e, layer)?;
        self.products(e, layer, None)
    }

    fn norm_qkv_half(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.norm(e, layer)?;
        self.products(e, layer, Some((&self.normed).into()))
    }

    fn norm_qkv_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.products(e, layer, Some(self.normed_input(layer)))?;
        e.barrier();
        Ok(())
    }

    fn gate_up_products(&self, e: &mut CommandEncoder, layer: &Layer, fused: bool) -> Result<()> {
        let product = |w, out| Product {
            w,
            epilogue: Epilogue::None,
            out,
        };
        let products = [
            product(&layer.gate, &self.gate),
            product(&layer.up, &self.up),
        ];
        match fused {
            true => self.linear.encode_together(e, &products, &self.normed),
            false => self
                .linear
                .encode_each(e, &products, &self.normed, &self.scratch),
        }
    }

    fn gate_up_apart(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.gate_up_products(e, layer, false)?;
        e.barrier();
        Ok(())
    }

    fn gate_up_each(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.gate_up_products(e, layer, true)?;
        e.barrier();
        Ok(())
    }

    fn gated(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.gate_up_products(e, layer, false)?;
        self.silu.encode(e, &self.gate, &self.up, &self.activated)
    }

    fn gate_up(&self, e: &mut CommandEncoder, layer: &Layer, input: Input<'_>) -> Result<()> {
        let weights = [&layer.gate, &layer.up];
        self.linear
            .encode_gated(e, weights, Activation::Silu, input, &self.activated)
    }

    fn gated_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.gate_up(e, layer, (&self.normed).into())
    }

    fn norm_gated_half(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.norm(e, layer)?;
        self.gate_up(e, layer, (&self.normed).into())
    }

    fn norm_gated_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.gate_up(e, layer, self.normed_input(layer))
    }

    fn multiply(
        &self,
        e: &mut CommandEncoder,
        w: &Tensor,
        x: &Tensor,
        epilogue: Epilogue<'_>,
        out: &Tensor,
    ) -> Result<()> {
        self.linear.encode(e, w, x, epilogue, &self.scratch, out)
    }

    fn down(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.multiply(
            e,
            &layer.down,
            &self.activated,
            Epilogue::None,
            &self.update,
        )?;
        self.add.encode(e, &self.hidden, &self.update)
    }

    fn down_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.multiply(
            e,
            &layer.down,
            &self.activated,
            Epilogue::Accumulate,
            &self.hidden,
        )
    }

    fn down_norm(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.multiply(
            e,
            &layer.down,
            &self.activated,
            Epilogue::None,
            &self.update,
        )?;
        let (h, x) = (&self.hidden, &self.update);
        self.norm
            .encode_residual(e, h, x, &layer.norm, EPS, &self.normed)
    }

    fn down_norm_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.down_fused(e, layer)?;
        self.norm(e, layer)
    }

    fn rotate(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        for x in [&self.q, &self.k] {
            self.rope
                .encode(e, x, &self.positions, &self.table, Layout::Pairs)?;
        }
        let [k_cache, v_cache] = &layer.caches;
        self.append
            .encode(e, &self.k, &self.v, &self.positions, k_cache, v_cache)
    }

    fn rotate_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        let operands = Operands {
            q: &self.q,
            k: &self.k,
            v: &self.v,
            positions: &self.positions,
            frequencies: &self.table,
            layout: Layout::Pairs,
            norms: None,
            k_cache: &layer.caches[0],
            v_cache: &layer.caches[1],
        };
        self.rope_append.encode(e, &operands)
    }

    /// All of a layer but attention, the norms with the sums before them.
    fn layer(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.products(e, layer, None)?;
        self.rotate(e, layer)?;
        let attended = self.q.reshape(&[1, 576])?;
        self.multiply(e, &layer.attn_out, &attended, Epilogue::None, &self.update)?;
        let (h, x) = (&self.hidden, &self.update);
        self.norm
            .encode_residual(e, h, x, &layer.norm, EPS, &self.normed)?;
        self.gated(e, layer)?;
        self.down_norm(e, layer)
    }

    /// With q, k and v in one dispatch, gates, and one for the rotations and the append.
    fn layer_some(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.products(e, layer, Some((&self.normed).into()))?;
        self.rotate_fused(e, layer)?;
        let attended = self.q.reshape(&[1, 576])?;
        self.multiply(e, &layer.attn_out, &attended, Epilogue::None, &self.update)?;
        let (h, x) = (&self.hidden, &self.update);
        self.norm
            .encode_residual(e, h, x, &layer.norm, EPS, &self.normed)?;
        self.gated_fused(e, layer)?;
        self.down_norm(e, layer)
    }

    fn layer_fused(&self, e: &mut CommandEncoder, layer: &Layer) -> Result<()> {
        self.norm_qkv_fused(e, layer)?;
        self.rotate_fused(e, layer)?;
        let attended = self.q.reshape(&[1, 576])?;
        self.multiply(
            e,
            &layer.attn_out,
            &attended,
            Epilogue::Accumulate,
            &self.hidden,
        )?;
        self.norm_gated_fused(e, layer)?;
        self.down_fused(e, layer)
    }
}
