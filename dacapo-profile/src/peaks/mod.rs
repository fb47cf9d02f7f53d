//! What a device can do at most, measured on the device itself.

mod arithmetic;
mod cache;
mod commands;
mod error;
mod matrix;
mod memory;
mod rounds;
#[cfg(test)]
mod tests;
mod wgsl;

use dacapo::Device;
use serde::{Deserialize, Serialize};

pub use cache::PeaksCache;
pub use error::PeaksError;

/// What a device can do at most, as measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Bytes read from memory in a second, far more than caches hold.
    pub read_bytes_per_second: f64,
    /// Bytes copied in a second; each is read once and written once, and counts once.
    pub copy_bytes_per_second: f64,
    /// Operations of f32 multiplications and additions in a second.
    pub f32_operations_per_second: f64,
    /// Operations of f16 matrix products in a second, summed in f32; `None` where the device has none.
    pub f16_matrix_operations_per_second: Option<f64>,
    /// What one more dispatch costs in a wave of dispatches that do nothing, in nanoseconds.
    pub dispatch_ns: f64,
    /// What one more barrier costs between dispatches that do nothing, beyond the dispatch, in nanoseconds.
    pub barrier_ns: f64,
    /// What launching prepared commands costs the caller, in nanoseconds.
    pub launch_ns: f64,
    /// From the launch of one dispatch that does nothing until its caller has seen that it is complete, in nanoseconds.
    pub round_trip_ns: f64,
}

impl Peaks {
    /// Measures `device`, which should have nothing else to do: one to three seconds, of which 0.2 only wake it up.
    ///
    /// Rates are the best of at least two rounds within 0.3 s, in device time. Costs of dispatches and barriers are slopes
    /// between the best times of short and long submissions; those of launches and round trips are medians of what the
    /// caller sees. What the kernels compute is checked.
    ///
    /// # Errors
    /// [`PeaksError::NoMemory`] where less than 512 KiB are free, [`PeaksError::Wrong`] when a kernel has not computed
    /// what it should, [`PeaksError::Runtime`] for what the device refuses.
    pub fn measure(device: &Device) -> Result<Peaks, PeaksError> {
        Peaks::measure_with(device, |_| {})
    }

    /// Measures `device` and tells before each step what it measures.
    ///
    /// # Errors
    /// As for [`Peaks::measure`].
    pub fn measure_with(
        device: &Device,
        mut step: impl FnMut(&'static str),
    ) -> Result<Peaks, PeaksError> {
        step("memory");
        let memory = memory::measure(device)?;
        step("f32 arithmetic");
        let f32_rate = arithmetic::measure(device)?;
        step("f16 matrices");
        let f16_rate = matrix::measure(device)?;
        step("dispatches and barriers");
        let commands = commands::Commands::new(device)?;
        let waves = commands.waves()?;
        step("launches");
        Ok(Peaks {
            read_bytes_per_second: memory.read,
            copy_bytes_per_second: memory.copy,
            f32_operations_per_second: f32_rate,
            f16_matrix_operations_per_second: f16_rate,
            dispatch_ns: waves.dispatch,
            barrier_ns: waves.barrier,
            launch_ns: commands.launch()?,
            round_trip_ns: commands.round_trip()?,
        })
    }

    /// Whether all of it can be measured values.
    fn is_sane(&self) -> bool {
        let rates = [
            self.read_bytes_per_second,
            self.copy_bytes_per_second,
            self.f32_operations_per_second,
            self.f16_matrix_operations_per_second.unwrap_or(1.0),
            self.dispatch_ns,
            self.launch_ns,
            self.round_trip_ns,
        ];
        rates.iter().all(|rate| rate.is_finite() && *rate > 0.0)
            && self.barrier_ns.is_finite()
            && self.barrier_ns >= 0.0
    }
}
