//! How fast the reference interpreter runs the operations, with all checks and with none: millions of operations of one
//! invocation in a second, on one thread.
//!
//! `cargo bench -p dacapo-ops --bench interpreted [-- FILTER]`
#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]

use std::num::NonZeroUsize;
use std::time::Instant;

use dacapo::{
    Backend, CommandEncoder, Device, DeviceOptions, DeviceSelector, MemoryKind, reference,
};
use dacapo_ops::add::Add;
use dacapo_ops::attention::{Attention, AttentionOptions};
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::{Epilogue, Linear};
use dacapo_ops::quant::WeightMatrix;
use dacapo_ops::rms_norm::RmsNorm;
use dacapo_ops::sample::{Sample, SampleParams};
use dacapo_ops::silu_mul::SiluMul;
use dacapo_ops::tensor::Tensor;

type Any<T> = Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 5;

/// Seconds that one round lasts at least.
const ROUND: f64 = 0.2;

/// What a case encodes.
type Encode = Box<dyn Fn(&mut CommandEncoder) -> dacapo_ops::Result<()>>;

fn main() -> Any<()> {
    let filter = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let devices = [device(true)?, device(false)?];
    println!(
        "{:<28} {:>14} {:>14} {:>7}",
        "operation", "all checks", "no checks", "ratio"
    );
    for name in CASES {
        if filter
            .as_ref()
            .is_some_and(|filter| !name.contains(filter.as_str()))
        {
            continue;
        }
        let cases = [case(&devices[0], name)?, case(&devices[1], name)?];
        let mut rates = [Vec::new(), Vec::new()];
        // In turns: the machine may be busy with something else.
        for _ in 0..ROUNDS {
            for (at, encode) in cases.iter().enumerate() {
                rates[at].push(rate(&devices[at], encode)?);
            }
        }
        let [checked, free] = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[ROUNDS / 2]
        });
        println!(
            "{name:<28} {checked:>10.0} M/s {free:>10.0} M/s {:>7.2}",
            free / checked
        );
    }
    Ok(())
}

fn device(checks: bool) -> Any<Device> {
    let mut options = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Reference),
        threads: NonZeroUsize::new(1),
        ..DeviceOptions::default()
    };
    options.reference.checks = checks;
    Ok(Device::open(&options)?)
}

/// Millions of operations in a second, of one case encoded again and again.
fn rate(device: &Device, encode: &Encode) -> Any<f64> {
    let reports = reference::reports(device).ok_or("not the reference device")?;
    let (before, started) = (reports.operations(), Instant::now());
    loop {
        let mut encoder = device.encoder("bench")?;
        encode(&mut encoder)?;
        encoder.commit()?.wait()?;
        let elapsed = started.elapsed().as_secs_f64();
        if elapsed > ROUND {
            return Ok((reports.operations() - before) as f64 / elapsed / 1e6);
        }
    }
}

const CASES: [&str; 9] = [
    "add 65536",
    "silu_mul 65536",
    "rms_norm 16 x 2048",
    "attention 1 row, context 256",
    "attention 64 rows",
    "sample 49152",
    "product q4_1, 1 token",
    "product bf16, 1 token",
    "product q8_0, 32 tokens",
];

fn case(device: &Device, name: &str) -> Any<Encode> {
    let f32 = |shape: &[usize]| values(device, shape);
    Ok(match name {
        "add 65536" => {
            let (op, a, b) = (Add::new(device)?, f32(&[65536])?, f32(&[65536])?);
            Box::new(move |e| op.encode(e, &a, &b))
        }
        "silu_mul 65536" => {
            let op = SiluMul::new(device)?;
            let (gate, up, out) = (f32(&[1, 65536])?, f32(&[1, 65536])?, f32(&[1, 65536])?);
            Box::new(move |e| op.encode(e, &gate, &up, &out))
        }
        "rms_norm 16 x 2048" => {
            let op = RmsNorm::new(device)?;
            let (x, weight, out) = (f32(&[16, 2048])?, f32(&[2048])?, f32(&[16, 2048])?);
            Box::new(move |e| op.encode(e, &x, &weight, 1e-5, &out))
        }
        "attention 1 row, context 256" => attention(device, 1, 256)?,
        "attention 64 rows" => attention(device, 64, 64)?,
        "sample 49152" => {
            let op = Sample::new(device)?;
            let logits = f32(&[49152])?;
            let (at, id) = (positions(device, 0..1)?, positions(device, 0..1)?);
            let params = SampleParams {
                temperature: 0.8,
                top_k: 40,
                top_p: 0.95,
                min_p: 0.0,
                seed: 1,
            };
            Box::new(move |e| op.encode(e, &logits, &params, &at, &id))
        }
        "product q4_1, 1 token" => product(device, DType::Q4_1, 1)?,
        "product bf16, 1 token" => product(device, DType::BF16, 1)?,
        _ => product(device, DType::Q8_0, 32)?,
    })
}

fn attention(device: &Device, rows: u32, context: u32) -> Any<Encode> {
    let op = Attention::new(device)?;
    let (k, v) = (
        values(device, &[3, 256, 64])?,
        values(device, &[3, 256, 64])?,
    );
    let q = values(device, &[rows as usize, 9, 64])?;
    let out = values(device, &[rows as usize, 9, 64])?;
    let at = positions(device, context - rows..context)?;
    let options = AttentionOptions {
        scale: 0.125,
        softcap: None,
    };
    Ok(Box::new(move |e| {
        op.encode(e, &q, &k, &v, &at, options, &out)
    }))
}

fn product(device: &Device, dtype: DType, tokens: usize) -> Any<Encode> {
    const ROWS: usize = 256;
    const COLS: usize = 576;
    let op = Linear::new(device)?;
    let bytes: Vec<u8> = (0..dtype.matrix_bytes(ROWS, COLS).ok_or("too large")?)
        .map(|at| (at * 37 % 120) as u8)
        .collect();
    let matrix = WeightMatrix::new(dtype, ROWS, COLS, &bytes)?;
    let w = op.weights(device, "weights", &matrix)?;
    let (x, out) = (
        values(device, &[tokens, COLS])?,
        values(device, &[tokens, ROWS])?,
    );
    let len = Linear::scratch_bytes(tokens, COLS);
    let scratch = device.buffer(len, MemoryKind::DeviceLocal)?;
    Ok(Box::new(move |e| {
        op.encode(e, &w, &x, Epilogue::None, &scratch, &out)
    }))
}

fn values(device: &Device, shape: &[usize]) -> Any<Tensor> {
    let tensor = Tensor::zeros(device, "bench", DType::F32, shape)?;
    let count = shape.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|at| (at as f32 * 12.9898).sin()).collect();
    tensor.view().write(&values)?;
    Ok(tensor)
}

fn positions(device: &Device, range: core::ops::Range<u32>) -> Any<Tensor> {
    let tensor = Tensor::zeros(device, "bench", DType::U32, &[range.len()])?;
    tensor.view().write(&range.collect::<Vec<_>>())?;
    Ok(tensor)
}
