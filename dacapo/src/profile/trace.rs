use core::time::Duration;
use std::sync::Arc;

use crate::counters::Counters;
use crate::encoder::BarrierCause;
use crate::graph::Fused;
use crate::info::DeviceInfo;
use crate::profile::{ProfileLevel, Timed, Work};
use crate::submission::GpuTimes;

/// What a device and its callers did while a [`Recorder`](crate::Recorder) watched. All times count from when the device
/// was opened, on one axis for host and device.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The device.
    pub device: DeviceInfo,
    /// What was noted.
    pub level: ProfileLevel,
    /// How far the device's times may lie from the host's; `None` where they were set by when the host saw
    /// submissions complete, always too late.
    pub clock_error: Option<Duration>,
    /// When recording began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
    /// Submissions in the order of their commits.
    pub submissions: Vec<SubmissionTrace>,
    /// What callers of the device did, in the order in which they ended.
    pub spans: Vec<HostSpan>,
    /// What the device did in the meantime.
    pub counters: Counters,
}

/// How a submission ran.
#[derive(Clone, Debug)]
pub struct SubmissionTrace {
    /// Its number on the device's queue. A submission of several parts has that of the last.
    pub number: u64,
    /// The label of its encoder or launch.
    pub label: Arc<str>,
    /// What was noted of it.
    pub level: ProfileLevel,
    /// How it is told when its dispatches ran, where they were noted.
    pub timed: Timed,
    /// When its encoder was opened, or its launch began.
    pub opened: Duration,
    /// When it was committed.
    pub committed: Duration,
    /// When the device ran it.
    pub device: GpuTimes,
    /// When the host saw that it was complete.
    pub completed: Duration,
    /// Whether it failed.
    pub failed: bool,
    /// What it counts as.
    pub counters: Counters,
    /// Its dispatches in the order in which they were given to the device; none below [`ProfileLevel::Dispatches`].
    pub dispatches: Vec<DispatchTrace>,
}

/// How a dispatch ran.
#[derive(Clone, Debug)]
pub struct DispatchTrace {
    /// The name of its kernel.
    pub kernel: Arc<str>,
    /// Its kind of operation.
    pub op: Arc<str>,
    /// The labels of the scopes around it, outermost first.
    pub scopes: Arc<[Arc<str>]>,
    /// Its node, as an index into the executable's or the plan's graph.
    pub node: Option<u32>,
    /// The captured nodes that it stands for, if it was fused.
    pub fused: Option<Arc<Fused>>,
    /// Its wave: how many barriers stand before it in its submission.
    pub wave: u32,
    /// Why a barrier stands directly in front of it, if one does.
    pub barrier: Option<BarrierCause>,
    /// What there was to do.
    pub work: Work,
    /// When it began. Dispatches of one wave overlap, unless each was in a pass of its own.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
}

/// What a thread of the host did for the device.
#[derive(Clone, Debug)]
pub struct HostSpan {
    /// The stable name of what it did, as in `tracing` spans: `encode`, `plan`, `instantiate`, `launch`, `wait`,
    /// `write`, `read`, `compile`, ...
    pub name: &'static str,
    /// What it was about, such as the label of an encoder.
    pub label: Arc<str>,
    /// The thread's name, or its number.
    pub thread: Arc<str>,
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
}
