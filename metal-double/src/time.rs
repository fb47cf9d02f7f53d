//! The two clocks. Like a real device's they have different origins and rates, so that whoever mixes them up is found out.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds of the CPU's clock since an origin that does not change while the process runs.
pub(crate) fn cpu_nanoseconds() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static ORIGIN: OnceLock<(Instant, u64)> = OnceLock::new();
    let (instant, offset) = ORIGIN.get_or_init(|| {
        let offset = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() % 86_400);
        (Instant::now(), (offset + 1000) * 1_000_000_000)
    });
    offset + u64::try_from(instant.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The GPU's clock at a moment of the CPU's: 3 ticks every 8 nanoseconds, with an origin of its own.
pub(crate) fn gpu_ticks(cpu_nanoseconds: u64) -> u64 {
    const ORIGIN: u64 = 77_000_000_000;
    let ticks = u128::from(cpu_nanoseconds) * 3 / 8;
    ORIGIN + u64::try_from(ticks).unwrap_or(u64::MAX - ORIGIN)
}

/// Seconds, as `GPUStartTime` and `GPUEndTime` give them.
pub(crate) fn seconds(cpu_nanoseconds: u64) -> f64 {
    cpu_nanoseconds as f64 * 1e-9
}

/// The CPU's clock as the system's library gives it, in ticks as long as those of Apple silicon: 3 every 125 nanoseconds.
#[unsafe(no_mangle)]
pub extern "C" fn mach_absolute_time() -> u64 {
    let ticks = u128::from(cpu_nanoseconds()) * 3 / 125;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Nanoseconds of a tick of [`mach_absolute_time`], as numerator and denominator (`mach_timebase_info_data_t`).
///
/// # Safety
/// `info` must point to two words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_timebase_info(info: *mut [u32; 2]) -> i32 {
    // SAFETY: as promised by the caller.
    unsafe { info.write([125, 3]) };
    0
}
