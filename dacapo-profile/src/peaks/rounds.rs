//! Doing something again until its time is known.

use std::time::{Duration, Instant};

use dacapo::{CommandEncoder, Device, DeviceKind, EncoderOptions, Hazards};

use super::error::Result;

/// How long a rate is measured.
pub(super) const LONG: Duration = Duration::from_millis(300);
/// Rounds of which the best counts, at least.
const FEWEST: usize = 2;
/// And at most: on a fast device there is nothing to be learnt from more.
const MOST: usize = 200;

/// Runs `round` at least twice, and again for as long as `limit` says; the times that it gives.
pub(super) fn repeat(
    limit: Duration,
    mut round: impl FnMut() -> Result<Duration>,
) -> Result<Vec<Duration>> {
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() < FEWEST || (times.len() < MOST && began.elapsed() < limit) {
        times.push(round()?);
    }
    Ok(times)
}

/// The shortest.
pub(super) fn best(times: &[Duration]) -> Duration {
    let shortest = times.iter().copied().min().unwrap_or_default();
    // Clocks may have coarse ticks; no time at all would be an infinite rate.
    shortest.max(Duration::from_nanos(1))
}

/// The median.
pub(super) fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    middle.max(Duration::from_nanos(1))
}

/// Runs what `encode` encodes; how long the device took.
pub(super) fn run(
    device: &Device,
    encode: impl FnOnce(&mut CommandEncoder) -> Result<()>,
) -> Result<Duration> {
    // Whatever the device's options say: barriers are a part of what is measured.
    let mut encoder = device.encoder_with(EncoderOptions {
        label: "peaks",
        hazards: Some(Hazards::Auto),
        ..EncoderOptions::default()
    })?;
    encode(&mut encoder)?;
    let began = Instant::now();
    let submission = encoder.commit()?;
    submission.wait()?;
    Ok(submission.gpu_time().unwrap_or_else(|| began.elapsed()))
}

/// Finds how many `turns` of a loop, at most `most`, take the device long enough to be timed; calls `run` with ever more of them.
pub(super) fn enough_turns(most: u32, mut run: impl FnMut(u32) -> Result<Duration>) -> Result<u32> {
    const ENOUGH: Duration = Duration::from_millis(15);
    let mut turns = 16.min(most);
    loop {
        let time = run(turns)?;
        if time >= ENOUGH || turns == most {
            return Ok(turns);
        }
        // A little at a time: drivers end what runs for seconds.
        let missing = ENOUGH.as_secs_f64() / time.as_secs_f64().max(1e-9);
        turns = ((f64::from(turns) * missing.clamp(1.2, 8.0)) as u32).clamp(turns + 1, most);
    }
}

/// Whether everything takes a thousand times as long as on the GPU that it pretends to be.
pub(super) fn is_software(device: &Device) -> bool {
    matches!(
        device.info().kind,
        DeviceKind::SoftwareGpu | DeviceKind::Reference
    )
}
