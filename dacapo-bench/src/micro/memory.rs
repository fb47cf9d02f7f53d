use dacapo::{BufferPool, Device, MemoryKind, PoolOptions};

use super::{Effort, each, samples, timed};
use crate::report::Chart;
use crate::work::Result;

/// Blocks that are timed together.
const TIMED: u32 = 64;

/// What a block costs: from the pool once it is warm, and as a buffer of its own.
pub fn measure(device: &Device, effort: &Effort) -> Result<Chart> {
    let mut chart = Chart::new(
        "allocation",
        "A block of memory, taken and given back",
        "bytes",
        "ns",
    );
    let count = f64::from(TIMED);
    for bytes in [256, 4 << 10, 64 << 10, 1 << 20] {
        let pool = BufferPool::new(device, PoolOptions::default());
        let issued = samples(effort.rounds, || {
            timed(|| {
                for _ in 0..TIMED {
                    pool.allocate(bytes)?;
                }
                pool.reset();
                Ok::<(), dacapo::Error>(())
            })
        })?;
        let own = samples(effort.rounds, || {
            timed(|| {
                for _ in 0..TIMED {
                    device.buffer(bytes, MemoryKind::DeviceLocal)?;
                }
                Ok::<(), dacapo::Error>(())
            })
        })?;
        chart.add("from the pool", bytes as f64, each(issued, 1e9, count));
        chart.add("a buffer of its own", bytes as f64, each(own, 1e9, count));
    }
    Ok(chart)
}
