//! What was achieved, beside what the device can do.

use serde::Serialize;

use crate::peaks::Peaks;
use crate::profile::Dispatch;

/// What there was to do, and how fast it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Bytes that come from memory at least once.
    pub read: u64,
    /// Bytes that go to memory.
    pub written: u64,
    /// Arithmetic operations.
    pub operations: u64,
    /// 10^9 bytes read and written in a second; `None` where there were none.
    pub gb_s: Option<f64>,
    /// 10^9 operations in a second; `None` where there were none.
    pub gflop_s: Option<f64>,
    /// `gb_s` as a share of the measured bandwidth of reads.
    pub bandwidth_share: Option<f64>,
    /// `gflop_s` as a share of the highest measured rate of arithmetic: that of matrix products where the device has
    /// them.
    pub compute_share: Option<f64>,
    /// The larger of the two shares.
    pub peak_share: Option<f64>,
    /// The time that it would take at the peaks, each dispatch by itself.
    pub least_ns: Option<u64>,
}

impl Rate {
    /// What a dispatch achieved by itself.
    pub(crate) fn of(dispatch: &Dispatch, peaks: Option<&Peaks>) -> Rate {
        let mut work = WorkSum::default();
        work.add(dispatch, peaks);
        work.rate(dispatch.end_ns.saturating_sub(dispatch.start_ns), peaks)
    }
}

/// Adds up what dispatches have to do.
#[derive(Clone, Copy, Default)]
pub(super) struct WorkSum {
    read: u64,
    written: u64,
    operations: u64,
    least_seconds: f64,
}

impl WorkSum {
    pub(super) fn add(&mut self, dispatch: &Dispatch, peaks: Option<&Peaks>) {
        self.read = self.read.saturating_add(dispatch.read);
        self.written = self.written.saturating_add(dispatch.written);
        self.operations = self.operations.saturating_add(dispatch.operations);
        if let Some(peaks) = peaks {
            let bytes = dispatch.read as f64 + dispatch.written as f64;
            let seconds = bytes / peaks.read_bytes_per_second;
            self.least_seconds += seconds.max(dispatch.operations as f64 / operations(peaks));
        }
    }

    /// What was achieved if it took so long.
    pub(super) fn rate(&self, time_ns: u64, peaks: Option<&Peaks>) -> Rate {
        let bytes = self.read as f64 + self.written as f64;
        let giga = |amount: f64| (amount > 0.0 && time_ns > 0).then(|| amount / time_ns as f64);
        let (gb_s, gflop_s) = (giga(bytes), giga(self.operations as f64));
        let share = |rate: Option<f64>, peak: fn(&Peaks) -> f64| {
            Some(rate? * 1e9 / peak(peaks?)).filter(|share| share.is_finite())
        };
        let bandwidth_share = share(gb_s, |peaks| peaks.read_bytes_per_second);
        let compute_share = share(gflop_s, operations);
        let shares = [bandwidth_share, compute_share];
        Rate {
            read: self.read,
            written: self.written,
            operations: self.operations,
            gb_s,
            gflop_s,
            bandwidth_share,
            compute_share,
            peak_share: shares.into_iter().flatten().reduce(f64::max),
            least_ns: peaks.map(|_| (self.least_seconds * 1e9).round() as u64),
        }
    }
}

/// The most operations that a device was seen to do in a second.
fn operations(peaks: &Peaks) -> f64 {
    let f32s = peaks.f32_operations_per_second;
    peaks
        .f16_matrix_operations_per_second
        .map_or(f32s, |f16| f16.max(f32s))
}
