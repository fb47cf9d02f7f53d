use std::time::{Duration, Instant};

use dacapo::{Buffer, BufferView, Bytes, Device, Grid, Kernel, KernelSource, MemoryKind, Wgsl};

use crate::work::{Contender, KERNEL, Order, PART, PARTS, Params, Result, check};

pub struct ByDacapo {
    device: Device,
    kernel: Kernel,
    buffer: Buffer,
    parts: Vec<BufferView>,
}

impl ByDacapo {
    pub fn new(device: &Device) -> Result<ByDacapo> {
        let buffer = device.buffer(u64::from(PARTS) * PART, MemoryKind::DeviceLocal)?;
        let part = |part: u64| buffer.slice(part * PART..part * PART + 128);
        Ok(ByDacapo {
            kernel: device.kernel(&KernelSource::new("tiny").wgsl(Wgsl::new(KERNEL)))?,
            parts: (0..u64::from(PARTS))
                .map(part)
                .collect::<dacapo::Result<_>>()?,
            device: device.clone(),
            buffer,
        })
    }
}

impl Contender for ByDacapo {
    fn round(&mut self, order: Order, dispatches: u32) -> Result<Duration> {
        let mut clear = self.device.encoder("clear")?;
        clear.fill(&self.buffer, 0)?;
        clear.commit()?.wait()?;
        let started = Instant::now();
        let mut encoder = self.device.encoder("work")?;
        for number in 0..dispatches {
            let (from, to) = order.parts(number);
            let params = Params::new(number);
            encoder.dispatch(
                &self.kernel,
                (
                    &self.parts[from as usize],
                    &self.parts[to as usize],
                    Bytes(&params),
                ),
                Grid::groups([1, 1, 1]),
            )?;
        }
        let time = started.elapsed();
        encoder.commit()?.wait()?;
        let (_, last) = order.parts(dispatches - 1);
        check(
            "dacapo",
            order,
            dispatches,
            self.parts[last as usize].read::<u32>()?[0],
        )?;
        Ok(time)
    }
}
