//! How fast the operations between the matrix products run through the runtime, at the shapes of
//! SmolLM2-135M: `cargo bench -p dacapo-ops --bench activations`.
//!
//! Each figure is the time of one dispatch out of many that wait for each other, so it includes the runtime's
//! share of a dispatch and a barrier.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]

use std::num::NonZeroUsize;
use std::time::Instant;

use dacapo::{CommandEncoder, Device, DeviceOptions, EncoderOptions, Hazards};
use dacapo_ops::attention::{Attention, AttentionOptions};
use dacapo_ops::dtype::DType;
use dacapo_ops::rms_norm::RmsNorm;
use dacapo_ops::rope::{self, Layout, Rope};
use dacapo_ops::sample::{Sample, SampleParams};
use dacapo_ops::silu_mul::SiluMul;
use dacapo_ops::tensor::Tensor;

type Any = Result<(), Box<dyn std::error::Error>>;

fn main() -> Any {
    for threads in [1, 2] {
        println!("{threads} threads");
        let threads = NonZeroUsize::new(threads);
        let device = Device::open(&DeviceOptions {
            threads,
            ..DeviceOptions::default()
        })?;
        small(&device)?;
        attention(&device)?;
        sampling(&device)?;
    }
    Ok(())
}

fn small(device: &Device) -> Any {
    let f32 = |shape: &[usize]| Tensor::zeros(device, "bench", DType::F32, shape);
    let (gate, up, out) = (f32(&[1, 1536])?, f32(&[1, 1536])?, f32(&[1, 1536])?);
    let silu = SiluMul::new(device)?;
    time(device, "silu_mul 1536", 0, |e| {
        silu.encode(e, &gate, &up, &out)
    })?;
    let (h, x, y, weight) = (
        f32(&[1, 576])?,
        f32(&[1, 576])?,
        f32(&[1, 576])?,
        f32(&[576])?,
    );
    let norm = RmsNorm::new(device)?;
    time(device, "rms_norm 576", 0, |e| {
        norm.encode(e, &x, &weight, 1e-5, &y)
    })?;
    time(device, "rms_norm residual 576", 0, |e| {
        norm.encode_residual(e, &h, &x, &weight, 1e-5, &y)
    })?;
    let config = rope::Config {
        dims: 64,
        theta: 1e4,
        scaling: rope::Scaling::None,
        factors: &[],
    };
    let table = rope::frequencies(&config).unwrap_or_default();
    let frequencies = Tensor::zeros(device, "bench", DType::U32, &[table.len(), 2])?;
    frequencies.view().write(&table)?;
    let (q, at) = (
        f32(&[1, 9, 64])?,
        Tensor::zeros(device, "bench", DType::U32, &[1])?,
    );
    let rope = Rope::new(device)?;
    time(device, "rope 9 x 64", 0, |e| {
        rope.encode(e, &q, &at, &frequencies, Layout::Halves)
    })?;
    Ok(())
}

fn attention(device: &Device) -> Any {
    let op = Attention::new(device)?;
    let options = AttentionOptions {
        scale: 0.125,
        softcap: None,
    };
    for (rows, context) in [(1, 256), (1, 1024), (1, 2048), (256, 256), (256, 2048)] {
        let cache = |_| Tensor::zeros(device, "bench", DType::F16, &[3, 2048, 64]);
        let (k, v) = (cache(0)?, cache(1)?);
        let q = Tensor::zeros(device, "bench", DType::F32, &[rows, 9, 64])?;
        let out = Tensor::zeros(device, "bench", DType::F32, &[rows, 9, 64])?;
        let at = Tensor::zeros(device, "bench", DType::U32, &[rows])?;
        let positions: Vec<u32> = (context - rows as u32..context).collect();
        at.view().write(&positions)?;
        let name = format!("attention {rows} rows, context {context}");
        let bytes = 2 * 3 * 64 * 2 * context as usize;
        time(device, &name, bytes, |e| {
            op.encode(e, &q, &k, &v, &at, options, &out)
        })?;
    }
    Ok(())
}

fn sampling(device: &Device) -> Any {
    let op = Sample::new(device)?;
    let vocabulary = 49_152;
    let logits = Tensor::zeros(device, "bench", DType::F32, &[vocabulary])?;
    let values: Vec<f32> = (0..vocabulary)
        .map(|i| (i as f32 * 12.9898).sin() * 10.0)
        .collect();
    logits.view().write(&values)?;
    let at = Tensor::zeros(device, "bench", DType::U32, &[1])?;
    let id = Tensor::zeros(device, "bench", DType::U32, &[1])?;
    let all = SampleParams {
        temperature: 0.8,
        top_k: 0,
        top_p: 0.95,
        min_p: 0.0,
        seed: 1,
    };
    for (name, params) in [
        ("argmax of 49152", SampleParams::GREEDY),
        (
            "sample 49152, top_k 40, top_p 0.95",
            SampleParams { top_k: 40, ..all },
        ),
        ("sample 49152, top_p 0.95", all),
    ] {
        time(device, name, 0, |e| {
            op.encode(e, &logits, &params, &at, &id)
        })?;
    }
    Ok(())
}

/// Prints the least time of one dispatch over several submissions; `bytes` gives a rate.
fn time(
    device: &Device,
    name: &str,
    bytes: usize,
    encode: impl Fn(&mut CommandEncoder) -> dacapo_ops::Result<()>,
) -> Any {
    const DISPATCHES: u32 = 50;
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let hazards = Some(Hazards::Serial);
        let mut encoder = device.encoder_with(EncoderOptions {
            label: "bench",
            hazards,
            ..EncoderOptions::default()
        })?;
        for _ in 0..DISPATCHES {
            encode(&mut encoder)?;
        }
        let start = Instant::now();
        encoder.commit()?.wait()?;
        best = best.min(start.elapsed().as_secs_f64() / f64::from(DISPATCHES));
    }
    let rate = bytes as f64 / best / 1e9;
    println!(
        "  {name:36} {:9.2} us{}",
        best * 1e6,
        if bytes > 0 {
            format!("  {rate:6.1} GB/s")
        } else {
            String::new()
        }
    );
    Ok(())
}
