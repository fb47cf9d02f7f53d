//! Kernels that are compiled when they are first needed.

use std::sync::{Arc, OnceLock};

use dacapo::{Device, Kernel, KernelSource};

use crate::error::Result;

/// A variant that few models use: compiling one takes a GPU's driver 10 to 60 ms (measured on an H100).
#[derive(Clone, Debug)]
pub(crate) struct LazyKernel {
    device: Device,
    source: Arc<KernelSource>,
    kernel: Arc<OnceLock<Kernel>>,
}

impl LazyKernel {
    pub(crate) fn new(device: &Device, source: KernelSource) -> Self {
        Self {
            device: device.clone(),
            source: Arc::new(source),
            kernel: Arc::default(),
        }
    }

    pub(crate) fn get(&self) -> Result<&Kernel> {
        if let Some(kernel) = self.kernel.get() {
            return Ok(kernel);
        }
        let kernel = self.device.kernel(&self.source)?;
        Ok(self.kernel.get_or_init(|| kernel))
    }
}
