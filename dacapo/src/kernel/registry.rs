use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::error::Result;
use crate::kernel::source::KernelKey;
use crate::kernel::{Kernel, KernelSource};

/// Compiled kernels of one device, by the content of their source: one compile per key, however many threads
/// ask at once, and a source that changed under the same name is another key.
#[derive(Default)]
pub(crate) struct Registry {
    kernels: Mutex<HashMap<KernelKey, Arc<OnceLock<Result<Kernel>>>>>,
}

impl Registry {
    pub(crate) fn get_or_compile(
        &self,
        source: &KernelSource,
        compile: impl FnOnce() -> Result<Kernel>,
    ) -> Result<Kernel> {
        let cell = self.kernels.lock().entry(source.key()).or_default().clone();
        cell.get_or_init(compile).clone()
    }

    /// The sources of all kernels that could be compiled.
    pub(crate) fn sources(&self) -> Vec<KernelSource> {
        let kernels = self.kernels.lock();
        let compiled = kernels.values().filter_map(|cell| cell.get());
        let compiled = compiled.filter_map(|kernel| kernel.as_ref().ok());
        compiled.map(|kernel| kernel.source().clone()).collect()
    }
}
