use dacapo::{Bytes, Device, Grid, MemoryKind};

use super::{Effort, each, samples, timed};
use crate::report::Chart;
use crate::work::{self, Params, Result};

/// From opening an encoder to the end of the wait, by the dispatches in the submission.
pub fn measure(device: &Device, effort: &Effort) -> Result<Chart> {
    let mut chart = Chart::new(
        "round-trip",
        "A submission's round trip",
        "dispatches",
        "us",
    );
    let kernel = work::kernel(device)?;
    let buffers = [
        device.buffer(128, MemoryKind::DeviceLocal)?,
        device.buffer(128, MemoryKind::DeviceLocal)?,
    ];
    for dispatches in [0, 1, 10, 100] {
        let times = samples(effort.rounds * 4, || {
            timed(|| {
                let mut encoder = device.encoder("round trip")?;
                for number in 0..dispatches {
                    let params = Params::new(number);
                    let at = (number % 2) as usize;
                    let args = (&buffers[at], &buffers[1 - at], Bytes(&params));
                    encoder.dispatch(&kernel, args, Grid::groups([1, 1, 1]))?;
                }
                encoder.commit()?.wait()
            })
        })?;
        chart.add("dacapo, live", f64::from(dispatches), each(times, 1e6, 1.0));
    }
    Ok(chart)
}
