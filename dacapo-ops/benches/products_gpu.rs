//! How fast a GPU multiplies weights: `cargo bench -p dacapo-ops --bench products_gpu [-- sweep] [forms] [prefill] [TYPE] [TILING...]`, on the
//! device that `DACAPO_DEVICE` names.
//!
//! Each measurement is one submission of many products, over copies of the matrix that together exceed the caches; the
//! device's own clock tells how long it took, the median of several counts. "side by side": nothing waits, as when several
//! products of one layer run together. "in turn": a barrier stands between any two. Bytes are those of the weights as
//! they lie in files. With `sweep`, every way to cut the work is tried and the best is named; with `forms`, products in one dispatch with what
//! goes before and after them are measured beside the dispatches that they stand for.
//!
//! With `prefill` nothing but products of 512 and 2048 tokens is measured, for the matrices of Llama-3.2-1B in bf16 or the types
//! that are named: as chosen, and with each way to tile them; or with those that are named, such as `128x64x32/4x2b2`: tokens,
//! rows and columns of a tile, subgroups down and across, buffers. An `h` behind it takes workgroup memory 2 bytes at a time.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]

use std::time::{Duration, Instant};

use dacapo::{
    Backend, BufferView, CommandEncoder, Device, DeviceOptions, DeviceSelector, EncoderOptions,
    Hazards, MemoryKind,
};
use dacapo_ops::add::Add;
use dacapo_ops::argmax::Argmax;
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::{Activation, Epilogue, Input, Linear, Norm, Product, Shape, Tiling};
use dacapo_ops::quant::WeightMatrix;
use dacapo_ops::rms_norm::RmsNorm;
use dacapo_ops::silu_mul::SiluMul;
use dacapo_ops::tensor::Tensor;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Bytes of the copies of a matrix: several times the largest cache.
const WORKING_SET: usize = 512 << 20;
const REPEATS: usize = 9;
const WARM_UP: Duration = Duration::from_millis(200);
const SHAPES: [(usize, usize); 2] = [(2048, 8192), (8192, 2048)];

fn main() -> Result<()> {
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let (sweep, forms) = (asked("sweep"), asked("forms"));
    let named = |dtype: &DType| std::env::args().any(|argument| argument == dtype.name());
    let any_named = DType::WEIGHTS.iter().any(named);
    let wanted = |dtype: &DType| !any_named || named(dtype);
    let mut options = DeviceOptions::default().with_env()?;
    if options.device == DeviceSelector::Best {
        options.device = DeviceSelector::Backend(Backend::Vulkan);
    }
    let device = match Device::open(&options) {
        Ok(device) if device.gpu().is_some() => device,
        Ok(device) => {
            println!("{} is no GPU", device.info().name);
            return Ok(());
        }
        Err(error) => {
            println!("{error}");
            return Ok(());
        }
    };
    println!("{}", device.info().name);
    if asked("prefill") {
        let wanted = |dtype: &DType| match any_named {
            true => named(dtype),
            false => *dtype == DType::BF16,
        };
        return DType::WEIGHTS
            .into_iter()
            .filter(wanted)
            .try_for_each(|dtype| prefill(&device, dtype));
    }
    println!(
        "{:<6} {:>12} {:>18} {:>14} {:>20}",
        "type", "rows x cols", "side by side GB/s", "in turn GB/s", "512 tokens TFLOP/s"
    );
    for dtype in DType::WEIGHTS.into_iter().filter(wanted) {
        for (rows, cols) in SHAPES {
            let bench = Bench::new(&device, dtype, rows, cols)?;
            let together = bench.bandwidth(Hazards::Manual, 1)?;
            let apart = bench.bandwidth(Hazards::Serial, 1)?;
            let flops = 2.0 * (rows * cols * 512) as f64;
            let prefill = flops / bench.time(Hazards::Serial, 512, 4)?.as_secs_f64() / 1e12;
            println!(
                "{:<6} {:>12} {together:>18.0} {apart:>14.0} {prefill:>20.1}",
                dtype.name(),
                format!("{rows} x {cols}")
            );
            if sweep {
                bench.sweep()?;
            }
            if forms {
                for tokens in [1, 2, 4, 8] {
                    bench.forms(tokens)?;
                }
            }
        }
    }
    Ok(())
}

/// Rows and columns of the matrices of Llama-3.2-1B: keys and values, queries and what attention brings, gates, down.
const LLAMA: [(usize, usize); 4] = [(512, 2048), (2048, 2048), (8192, 2048), (2048, 8192)];

/// Ways to tile products on matrix units that are tried if none is named.
const TILINGS: [&str; 16] = [
    "64x64x32/2x2b1h",
    "64x64x32/2x2b2h",
    "64x64x32/2x2b1",
    "64x64x32/2x2b2",
    "64x64x64/2x2b1",
    "64x64x64/2x2b2",
    "128x64x32/2x2b2",
    "128x64x32/4x2b2",
    "128x64x64/4x2b1",
    "64x128x32/2x2b2",
    "128x128x32/2x2b1",
    "128x128x32/2x2b2",
    "128x128x32/2x4b1",
    "128x128x32/2x4b2",
    "128x128x32/4x2b2",
    "128x128x64/2x4b1",
];

/// What `128x64x32/4x2b2` stands for.
fn tiling(text: &str) -> Option<Tiling> {
    let (text, wide) = match text.strip_suffix('h') {
        Some(text) => (text, false),
        None => (text, true),
    };
    let numbers: Option<Vec<u32>> = text
        .split(['x', '/', 'b'])
        .map(|number| number.parse().ok())
        .collect();
    Some(Tiling::new(numbers?.try_into().ok()?, wide))
}

/// Measures products of many tokens, tiled in each way.
fn prefill(device: &Device, dtype: DType) -> Result<()> {
    let named: Vec<String> = std::env::args()
        .filter(|text| tiling(text).is_some())
        .collect();
    let all = match named.is_empty() {
        true => TILINGS.map(str::to_owned).to_vec(),
        false => named,
    };
    let benches = LLAMA.map(|(rows, cols)| Bench::new(device, dtype, rows, cols));
    let head = LLAMA.map(|(rows, cols)| format!("{:>11}", format!("{rows}x{cols}")));
    for tokens in [512, 2048] {
        println!(
            "{} x {tokens} tokens, TFLOP/s in turn: {}",
            dtype.name(),
            head.join(" ")
        );
        for tiled in [None].into_iter().chain(all.iter().map(Some)) {
            let mut cells = Vec::new();
            for bench in &benches {
                let bench = bench.as_ref().map_err(ToString::to_string)?;
                bench
                    .linear
                    .force_tiling(tiled.and_then(|text| tiling(text)));
                let [rows, cols] = [bench.weights[0].rows(), bench.weights[0].cols()];
                let flops = 2.0 * (rows * cols * tokens) as f64;
                // What a device cannot run is said, and the rest measured.
                let time = bench.time(Hazards::Serial, tokens, 4);
                bench.linear.force_tiling(None);
                cells.push(match time {
                    Ok(time) => format!("{:>11.1}", flops / time.as_secs_f64() / 1e12),
                    Err(error) => format!("{:>11}", error.to_string()),
                });
            }
            let name = tiled.map_or("as chosen", String::as_str);
            println!("  {name:<36} {}", cells.join(" "));
        }
    }
    Ok(())
}

struct Bench {
    device: Device,
    linear: Linear,
    weights: Vec<Tensor>,
    bytes: usize,
    scratch: BufferView,
}

impl Bench {
    fn new(device: &Device, dtype: DType, rows: usize, cols: usize) -> Result<Bench> {
        let linear = Linear::new(device)?;
        let bytes = dtype.matrix_bytes(rows, cols).ok_or("no such matrix")?;
        // Small numbers in every type: what the weights are does not matter, but NaN might.
        let data: Vec<u8> = (0..bytes).map(|at| (at * 37 % 41) as u8).collect();
        let matrix = WeightMatrix::new(dtype, rows, cols, &data)?;
        let copies = (WORKING_SET / bytes).max(1);
        let weights = (0..copies).map(|_| linear.weights(device, "weights", &matrix));
        Ok(Bench {
            weights: weights.collect::<std::result::Result<_, _>>()?,
            scratch: (*device.buffer(256, MemoryKind::DeviceLocal)?).clone(),
            device: device.clone(),
            linear,
            bytes,
        })
    }

    fn bandwidth(&self, hazards: Hazards, tokens: usize) -> Result<f64> {
        let time = self.time(hazards, tokens, self.weights.len())?;
        Ok(self.bytes as f64 / time.as_secs_f64() / 1e9)
    }

    /// The median time of one product, of `count` in a submission.
    fn time(&self, hazards: Hazards, tokens: usize, count: usize) -> Result<Duration> {
        let [rows, cols] = [self.weights[0].rows(), self.weights[0].cols()];
        let x = self.zeros(&[tokens, cols])?;
        let outs = (0..count).map(|_| self.zeros(&[tokens, rows]));
        let outs: Vec<Tensor> = outs.collect::<Result<_>>()?;
        self.time_of(hazards, count, |encoder, at| {
            let (w, out) = (&self.weights[at % self.weights.len()], &outs[at]);
            let (linear, scratch) = (&self.linear, &self.scratch);
            Ok(linear.encode(encoder, w, &x, Epilogue::None, scratch, out)?)
        })
    }

    /// The median time of what `encode` encodes, of `count` times in a submission.
    fn time_of(
        &self,
        hazards: Hazards,
        count: usize,
        encode: impl Fn(&mut CommandEncoder, usize) -> Result<()>,
    ) -> Result<Duration> {
        let options = EncoderOptions {
            label: "products",
            hazards: Some(hazards),
            ..EncoderOptions::default()
        };
        let mut times = Vec::new();
        let started = Instant::now();
        while times.len() < REPEATS {
            let mut encoder = self.device.encoder_with(options)?;
            for at in 0..count {
                encode(&mut encoder, at)?;
            }
            let submission = encoder.commit()?;
            submission.wait()?;
            let time = submission.gpu_time().ok_or("the device has no clock")?;
            // A device that was idle runs at a lower clock.
            if started.elapsed() > WARM_UP {
                times.push(time / count as u32);
            }
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }

    fn zeros(&self, shape: &[usize]) -> Result<Tensor> {
        Ok(Tensor::zeros(
            &self.device,
            "activations",
            DType::F32,
            shape,
        )?)
    }

    /// Measures each form beside the dispatches that it stands for, which wait for each other where they must.
    fn forms(&self, tokens: usize) -> Result<()> {
        let [rows, cols] = [self.weights[0].rows(), self.weights[0].cols()];
        let (norm, silu) = (RmsNorm::new(&self.device)?, SiluMul::new(&self.device)?);
        let (add, argmax) = (Add::new(&self.device)?, Argmax::new(&self.device)?);
        let (h, x, weight) = (
            self.zeros(&[tokens, cols])?,
            self.zeros(&[tokens, cols])?,
            self.zeros(&[cols])?,
        );
        let outs = [(); 3].map(|()| self.zeros(&[tokens, rows]));
        let [gate, up, out] = match outs {
            [Ok(gate), Ok(up), Ok(out)] => [gate, up, out],
            _ => return Err("no memory for activations".into()),
        };
        let ids = Tensor::zeros(&self.device, "ids", DType::U32, &[tokens])?;
        let linear = &self.linear;
        let w = |at: usize| &self.weights[at % self.weights.len()];
        let product = |e: &mut CommandEncoder, at: usize, x: &Tensor, out: &Tensor| {
            linear.encode(e, w(at), x, Epilogue::None, &self.scratch, out)
        };
        let normed = Input {
            x: &h,
            norm: Some(Norm {
                weight: &weight,
                eps: 1e-5,
            }),
        };
        let count = self.weights.len() / 2;
        let time = |encode: &dyn Fn(&mut CommandEncoder, usize) -> Result<()>| {
            self.time_of(Hazards::Manual, count, |e, at| {
                encode(e, at)?;
                e.barrier();
                Ok(())
            })
        };
        let report = |form: &str, apart: Duration, together: Duration| {
            let [apart, together] = [apart, together].map(|time| time.as_secs_f64() * 1e6);
            println!(
                "       {tokens} tokens, {form}: {apart:.1} us apart, {together:.1} us together"
            );
        };
        let apart = time(&|e, at| {
            norm.encode(e, &h, &weight, 1e-5, &x)?;
            e.barrier();
            Ok(product(e, at, &x, &out)?)
        })?;
        let one = |e: &mut CommandEncoder, at, input: Input<'_>| {
            let (w, epilogue, out) = (w(at), Epilogue::None, &out);
            linear.encode_together(e, &[Product { w, epilogue, out }], input)
        };
        let together = time(&|e, at| Ok(one(e, at, normed)?))?;
        report("norm and product", apart, together);
        let apart = time(&|e, at| {
            product(e, at, &x, &gate)?;
            e.barrier();
            Ok(add.encode(e, &out, &gate)?)
        })?;
        let together = time(&|e, at| {
            let (linear, scratch) = (&self.linear, &self.scratch);
            Ok(linear.encode(e, w(at), &x, Epilogue::Accumulate, scratch, &out)?)
        })?;
        report("product and sum", apart, together);
        let three = |e: &mut CommandEncoder, at: usize| {
            product(e, 2 * at, &x, &gate)?;
            product(e, 2 * at + 1, &x, &up)?;
            e.barrier();
            silu.encode(e, &gate, &up, &out)
        };
        let apart = time(&|e, at| Ok(three(e, at)?))?;
        let gated = |e: &mut CommandEncoder, at, input: Input<'_>| {
            let weights = [w(2 * at), w(2 * at + 1)];
            linear.encode_gated(e, weights, Activation::Silu, input, &out)
        };
        let together = time(&|e, at| Ok(gated(e, at, Input::from(&x))?))?;
        report("gate, up and silu", apart, together);
        let apart = time(&|e, at| {
            norm.encode(e, &h, &weight, 1e-5, &x)?;
            e.barrier();
            Ok(three(e, at)?)
        })?;
        let together = time(&|e, at| Ok(gated(e, at, normed)?))?;
        report("norm, gate, up and silu", apart, together);
        let apart = time(&|e, at| {
            product(e, at, &x, &out)?;
            e.barrier();
            Ok(argmax.encode(e, &out, &ids)?)
        })?;
        let together = time(&|e, at| Ok(linear.encode_argmax(e, w(at), &x, &ids)?))?;
        report("product and argmax", apart, together);
        Ok(())
    }

    fn sweep(&self) -> Result<()> {
        let mut found: Vec<(f64, Shape)> = Vec::new();
        for rows in [1, 2, 4, 8] {
            for subgroups in [4, 8] {
                for unroll in [1, 2, 4] {
                    for split in [1, 2, 4, 8] {
                        if split > subgroups {
                            continue;
                        }
                        let shape = Shape {
                            rows,
                            subgroups,
                            unroll,
                            split,
                            tokens: 1,
                        };
                        self.linear.force_shape(Some(shape));
                        found.push((self.bandwidth(Hazards::Serial, 1)?, shape));
                    }
                }
            }
        }
        self.linear.force_shape(None);
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (bandwidth, shape) in found.iter().take(3) {
            let Shape {
                rows,
                subgroups,
                unroll,
                split,
                ..
            } = shape;
            println!(
                "       R{rows} S{subgroups} U{unroll} KS{split}: {bandwidth:.0} GB/s in turn"
            );
        }
        Ok(())
    }
}
