use std::time::{Duration, Instant};

use dacapo::{Buffer, BufferView, Bytes, CommandEncoder, Device, Grid, Kernel, MemoryKind};

use crate::work::{self, Contender, Order, PART, PARTS, Params, Result, check};

/// Encodes each dispatch when it is needed.
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
            kernel: work::kernel(device)?,
            parts: (0..u64::from(PARTS))
                .map(part)
                .collect::<dacapo::Result<_>>()?,
            device: device.clone(),
            buffer,
        })
    }
}

impl ByDacapo {
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Makes all parts zero.
    pub(crate) fn clear(&self) -> Result<()> {
        let mut clear = self.device.encoder("clear")?;
        clear.fill(&self.buffer, 0)?;
        Ok(clear.commit()?.wait()?)
    }

    pub(crate) fn encode(
        &self,
        encoder: &mut CommandEncoder,
        order: Order,
        dispatches: u32,
    ) -> dacapo::Result<()> {
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
        Ok(())
    }

    /// Whether the work has been done.
    pub(crate) fn check(&self, who: &str, order: Order, dispatches: u32) -> Result<()> {
        let (_, last) = order.parts(dispatches - 1);
        let found = self.parts[last as usize].read::<u32>()?[0];
        check(who, order, dispatches, found)
    }
}

impl Contender for ByDacapo {
    fn name(&self) -> &'static str {
        "dacapo, live"
    }

    fn round(&mut self, order: Order, dispatches: u32) -> Result<Duration> {
        self.clear()?;
        let started = Instant::now();
        let mut encoder = self.device.encoder("work")?;
        self.encode(&mut encoder, order, dispatches)?;
        let time = started.elapsed();
        encoder.commit()?.wait()?;
        self.check(self.name(), order, dispatches)?;
        Ok(time)
    }
}
