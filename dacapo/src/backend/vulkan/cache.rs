//! The driver's compiled code, from one process to the next.
#![allow(unsafe_code, reason = "calls the driver")]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::time::Instant;

use ash::{Device, vk};
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::disk_cache::{DiskCache, Key, KeyBuilder};

/// Changes with what is stored; its layout is the driver's.
const VERSION: u32 = 1;

/// Time between two writes while kernels are being compiled. A process that is killed loses so much.
const PAUSE: Duration = Duration::from_secs(2);

/// A driver's pipeline cache, which begins as the last process left it.
pub(super) struct PipelineCache {
    raw: vk::PipelineCache,
    pub(super) disk: DiskCache,
    key: Key,
    compiling: AtomicUsize,
    /// Whether something was compiled since the last write.
    used: AtomicBool,
    written: Mutex<Written>,
}

struct Written {
    at: Instant,
    /// A hash of what the driver had at the last write, or at the beginning; `None` while there is no file.
    own: Option<u64>,
    /// A hash of the file then.
    file: Option<u64>,
}

impl PipelineCache {
    /// Nothing yet, for a driver that understands the data of drivers with the same `identity`.
    pub(super) fn new(disk: DiskCache, identity: &[u8]) -> PipelineCache {
        PipelineCache {
            raw: vk::PipelineCache::null(),
            disk,
            key: KeyBuilder::new("vulkan", VERSION).bytes(identity).finish(),
            compiling: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            written: Mutex::new(Written {
                at: Instant::now(),
                own: None,
                file: None,
            }),
        }
    }

    /// Gives the driver what is stored.
    pub(super) fn load(&mut self, device: &Device) -> Result<(), vk::Result> {
        let stored = self.disk.load(self.key);
        if let Some(stored) = &stored {
            match create(device, stored) {
                Ok(raw) => {
                    self.raw = raw;
                    let written = self.written.get_mut();
                    written.own = data(device, raw).ok().map(|own| xxh3_64(&own));
                    written.file = Some(xxh3_64(stored));
                    return Ok(());
                }
                Err(error) => {
                    tracing::debug!(%error, "the driver refuses the pipeline cache that it made");
                }
            }
        }
        self.raw = create(device, &[])?;
        Ok(())
    }

    /// Compiles something with the cache. The last of several that compile at the same time writes it.
    pub(super) fn compile<R>(
        &self,
        device: &Device,
        compile: impl FnOnce(vk::PipelineCache) -> R,
    ) -> R {
        self.compiling.fetch_add(1, Ordering::Relaxed);
        let made = compile(self.raw);
        self.used.store(true, Ordering::Relaxed);
        let others = self.compiling.fetch_sub(1, Ordering::Relaxed) - 1;
        if others == 0
            && let Some(mut written) = self.written.try_lock()
            && written.at.elapsed() >= PAUSE
        {
            self.write(device, &mut written);
        }
        made
    }

    /// Writes what is new, and ends the driver's part.
    ///
    /// # Safety
    /// The device is alive and nothing uses the cache any more.
    pub(super) unsafe fn close(&mut self, device: &Device) {
        let mut written = self.written.lock();
        self.write(device, &mut written);
        drop(written);
        // SAFETY: the caller's promise.
        unsafe { device.destroy_pipeline_cache(self.raw, None) };
    }

    fn write(&self, device: &Device, written: &mut Written) {
        if !self.used.swap(false, Ordering::Relaxed) {
            return;
        }
        written.at = Instant::now();
        let Ok(own) = data(device, self.raw) else {
            return;
        };
        let hash = Some(xxh3_64(&own));
        if hash == written.own {
            return;
        }
        written.own = hash;
        // Another process may have stored other kernels meanwhile.
        let stored = self.disk.load(self.key);
        let others = stored.filter(|stored| Some(xxh3_64(stored)) != written.file);
        let merged = others.and_then(|others| self.merged(device, &others).ok());
        let file = merged.unwrap_or(own);
        written.file = Some(xxh3_64(&file));
        self.disk.store(self.key, &file);
    }

    /// What is stored, and what this process has beside it.
    fn merged(&self, device: &Device, stored: &[u8]) -> Result<Vec<u8>, vk::Result> {
        let both = create(device, stored)?;
        // SAFETY: both caches are alive, and nothing else uses the one that changes.
        let merged = unsafe { device.merge_pipeline_caches(both, &[self.raw]) };
        let merged = merged.and_then(|()| data(device, both));
        // SAFETY: it is ours, and nothing uses it any more.
        unsafe { device.destroy_pipeline_cache(both, None) };
        merged
    }
}

fn create(device: &Device, stored: &[u8]) -> Result<vk::PipelineCache, vk::Result> {
    let info = vk::PipelineCacheCreateInfo::default().initial_data(stored);
    // SAFETY: the device is alive. The data was written by the same driver, as far as its own identification
    // tells, and is undamaged, as far as a checksum tells; drivers ignore what they do not understand.
    unsafe { device.create_pipeline_cache(&info, None) }
}

fn data(device: &Device, raw: vk::PipelineCache) -> Result<Vec<u8>, vk::Result> {
    // SAFETY: both are alive.
    unsafe { device.get_pipeline_cache_data(raw) }
}
