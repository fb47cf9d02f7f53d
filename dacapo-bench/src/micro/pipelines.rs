use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use dacapo::{Access, Device, DeviceOptions, DeviceSelector, KernelCache, KernelSource, Wgsl};

use super::{Effort, each, samples, timed};
use crate::report::Chart;
use crate::work::{KERNEL, Params, Result};

/// A kernel nobody has seen yet, the same from another process (here: another opening of the device) through the
/// cache on disk, and the same from the device that has it.
pub fn measure(device: &Device, effort: &Effort) -> Result<Chart> {
    let mut chart = Chart::new("pipelines", "A kernel's pipeline", "kernels", "us");
    let folder = Folder::new()?;
    let options = DeviceOptions {
        device: DeviceSelector::Name(device.info().name.clone()),
        kernel_cache: KernelCache::Folder(folder.0.clone()),
        ..DeviceOptions::default()
    };
    let rounds = effort.rounds.min(10);
    let mut known = Vec::new();
    let first = Device::open(&options)?;
    let mut number = 0;
    let cold = samples(rounds, || {
        number += 1;
        let source = source(number);
        let time = timed(|| first.kernel(&source))?;
        known.push(source);
        Ok(time)
    })?;
    let mut again = known.iter().cycle();
    let mut next = || again.next().ok_or("no kernel");
    let held = samples(rounds, || {
        let source = next()?;
        timed(|| first.kernel(source))
    })?;
    drop(first);
    let second = Device::open(&options)?;
    let mut stored = Vec::new();
    for source in &known {
        stored.push(timed(|| second.kernel(source))?);
    }
    for (name, times) in [
        ("compiled", cold),
        ("from the cache on disk", stored),
        ("held by the device", held),
    ] {
        chart.add(name, 1.0, each(times, 1e6, 1.0));
    }
    Ok(chart)
}

/// The tiny kernel with a constant that makes it another one, for the driver's own cache as well: it differs between
/// runs, too.
fn source(number: u32) -> KernelSource {
    static RUN: AtomicU64 = AtomicU64::new(0);
    let run = match RUN.load(Ordering::Relaxed) {
        0 => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let now = now.map_or(1, |time| time.as_nanos() as u64);
            RUN.store(now, Ordering::Relaxed);
            now
        }
        run => run,
    };
    let other = (run as u32).wrapping_mul(31).wrapping_add(number);
    let text = KERNEL.replace("+ params.add", &format!("+ params.add + {other}u"));
    KernelSource::new("tiny")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Write)
        .inline::<Params>()
        .workgroup([32, 1, 1])
        .cpu(|_| Ok(()))
        .wgsl(Wgsl::new(text))
}

/// A folder that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("dacapo-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies where temporary files are cleared away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
