//! How fast a GPU multiplies weights: `cargo bench -p dacapo-ops --bench products_gpu [-- sweep] [-- TYPE]`, on the device that
//! `DACAPO_DEVICE` names.
//!
//! Each measurement is one submission of many products, over copies of the matrix that together exceed the caches; the
//! device's own clock tells how long it took, the median of several counts. "side by side": nothing waits, as when several
//! products of one layer run together. "in turn": a barrier stands between any two. Bytes are those of the weights as
//! they lie in files. With `sweep`, every way to cut the work is tried and the best is named.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]

use std::time::{Duration, Instant};

use dacapo::{
    Backend, BufferView, Device, DeviceOptions, DeviceSelector, EncoderOptions, Hazards, MemoryKind,
};
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::{Epilogue, Linear, Shape};
use dacapo_ops::quant::WeightMatrix;
use dacapo_ops::tensor::Tensor;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Bytes of the copies of a matrix: several times the largest cache.
const WORKING_SET: usize = 512 << 20;
const REPEATS: usize = 9;
const WARM_UP: Duration = Duration::from_millis(200);
const SHAPES: [(usize, usize); 2] = [(2048, 8192), (8192, 2048)];

fn main() -> Result<()> {
    let sweep = std::env::args().any(|argument| argument == "sweep");
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
        let x = Tensor::zeros(&self.device, "x", DType::F32, &[tokens, cols])?;
        let outs =
            (0..count).map(|_| Tensor::zeros(&self.device, "out", DType::F32, &[tokens, rows]));
        let outs: Vec<Tensor> = outs.collect::<std::result::Result<_, _>>()?;
        let options = EncoderOptions {
            label: "products",
            hazards: Some(hazards),
        };
        let mut times = Vec::new();
        let started = Instant::now();
        while times.len() < REPEATS {
            let mut encoder = self.device.encoder_with(options)?;
            for (w, out) in self.weights.iter().cycle().zip(&outs) {
                self.linear
                    .encode(&mut encoder, w, &x, Epilogue::None, &self.scratch, out)?;
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
