use serde::Serialize;

use crate::peaks::Peaks;

/// What keeps something from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Bytes from and to memory.
    Bandwidth,
    /// Arithmetic.
    Compute,
    /// Waiting within dispatches: too few bytes and operations are on their way at the same time.
    Latency,
    /// Being so small that starting it counts more than running it.
    Launch,
    /// Waiting at barriers, with nothing running.
    BarrierWait,
    /// The device had nothing to do.
    Host,
}

/// A dispatch that reaches this share of a peak is bound by it, however short it is.
const NEAR_PEAK: f64 = 0.5;

/// A dispatch that reaches no more of either peak is not held up by it.
const FAR_FROM_PEAK: f64 = 0.25;

/// A dispatch that takes at most so many times what a dispatch that does nothing costs, with its barrier, is too small.
const NEAR_LAUNCH: f64 = 2.0;

impl Bound {
    /// The name that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Bound::Bandwidth => "bandwidth",
            Bound::Compute => "compute",
            Bound::Latency => "latency",
            Bound::Launch => "launch",
            Bound::BarrierWait => "barrier wait",
            Bound::Host => "host",
        }
    }

    /// What bounds dispatches that reach these shares of the peaks and mostly take `median_ns`.
    ///
    /// A dispatch that reaches half of a peak is bound by that one (the one it is nearer to). One that does not, and
    /// takes no longer than twice an empty dispatch and its barrier, is bound by its launch. Any other is bound by the
    /// peak that it is nearer to, if it reaches a quarter of it, and otherwise by latency; and by nothing that is known if
    /// it says of no work.
    pub(super) fn of_dispatches(
        bandwidth: Option<f64>,
        compute: Option<f64>,
        median_ns: u64,
        peaks: &Peaks,
    ) -> Option<Bound> {
        let (bandwidth, compute) = (bandwidth.unwrap_or(0.0), compute.unwrap_or(0.0));
        let (share, nearer) = match bandwidth >= compute {
            true => (bandwidth, Bound::Bandwidth),
            false => (compute, Bound::Compute),
        };
        let short = median_ns as f64 <= NEAR_LAUNCH * (peaks.dispatch_ns + peaks.barrier_ns);
        match share {
            share if share >= NEAR_PEAK => Some(nearer),
            _ if short => Some(Bound::Launch),
            share if share >= FAR_FROM_PEAK => Some(nearer),
            share if share > 0.0 => Some(Bound::Latency),
            _ => None,
        }
    }
}

/// Where time went, by what bounds it, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Dispatches bound by bandwidth.
    pub bandwidth_ns: u64,
    /// Dispatches bound by arithmetic.
    pub compute_ns: u64,
    /// Dispatches bound by latency.
    pub latency_ns: u64,
    /// Dispatches bound by their launch; before the first and after the last dispatch of submissions; between dispatches
    /// of one wave.
    pub launch_ns: u64,
    /// Waiting at barriers.
    pub barrier_wait_ns: u64,
    /// Before submissions, with the device idle.
    pub host_ns: u64,
    /// Dispatches of which no bound is known, and submissions of which no dispatches are known.
    pub unknown_ns: u64,
}

impl Bounds {
    /// What most of the time went to; `None` where that is not known.
    pub fn largest(&self) -> Option<Bound> {
        let known = [
            (self.bandwidth_ns, Bound::Bandwidth),
            (self.compute_ns, Bound::Compute),
            (self.latency_ns, Bound::Latency),
            (self.launch_ns, Bound::Launch),
            (self.barrier_wait_ns, Bound::BarrierWait),
            (self.host_ns, Bound::Host),
        ];
        let (most, bound) = known.into_iter().max_by_key(|(time, _)| *time)?;
        (most > 0 && most >= self.unknown_ns).then_some(bound)
    }

    pub(super) fn add(&mut self, bound: Option<Bound>, time: u64) {
        let sum = match bound {
            Some(Bound::Bandwidth) => &mut self.bandwidth_ns,
            Some(Bound::Compute) => &mut self.compute_ns,
            Some(Bound::Latency) => &mut self.latency_ns,
            Some(Bound::Launch) => &mut self.launch_ns,
            Some(Bound::BarrierWait) => &mut self.barrier_wait_ns,
            Some(Bound::Host) => &mut self.host_ns,
            None => &mut self.unknown_ns,
        };
        *sum += time;
    }
}
