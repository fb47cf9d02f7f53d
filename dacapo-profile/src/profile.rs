//! The data of a profile. Times are nanoseconds since the device was opened, on one axis for host and device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::peaks::Peaks;

/// The version of the schema that this crate writes. It reads this one only.
pub const VERSION: u32 = 1;

/// What ran, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// [`VERSION`].
    pub version: u32,
    /// What was profiled, in a line.
    pub title: String,
    /// The device.
    pub device: Device,
    /// What was noted.
    pub level: Level,
    /// How it is told when dispatches ran, if they were noted.
    pub timed: Option<Timed>,
    /// How far device times may lie from the host's; none where they were set by when the host saw submissions
    /// complete.
    pub clock_error_ns: Option<u64>,
    /// When recording began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What the device can do at most, if that was measured.
    pub peaks: Option<Peaks>,
    /// What noting each dispatch cost, if that was measured.
    pub distortion: Option<Distortion>,
    /// The kernels, which dispatches name by index.
    pub kernels: Vec<Kernel>,
    /// The scopes in which dispatches were encoded, as labels, outermost first; dispatches name them by index.
    pub scopes: Vec<Vec<String>>,
    /// Why barriers were put; dispatches name them by index.
    pub causes: Vec<Cause>,
    /// What fused dispatches stand for; dispatches name them by index.
    pub fused: Vec<Fused>,
    /// In the order of their commits.
    pub submissions: Vec<Submission>,
    /// What callers of the device did.
    pub spans: Vec<Span>,
    /// What the device did in the meantime, by the names of `dacapo::Counters`.
    pub counters: BTreeMap<String, u64>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// `cpu`, `vulkan` or `metal`.
    pub backend: String,
    /// What it is made of, in words.
    pub kind: String,
    /// Worker threads or compute units.
    pub compute_units: u32,
}

/// How much was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Submissions.
    Submissions,
    /// Dispatches, too.
    Dispatches,
}

/// How it is told when a dispatch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timed {
    /// Among the others.
    InPlace,
    /// In a pass of its own, one after the other.
    OnePassEach,
}

/// What noting each dispatch did to the time that submissions of one label took on the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distortion {
    /// The label of the submissions that were compared.
    pub label: String,
    /// The median with dispatches noted.
    pub profiled_ns: u64,
    /// The median with submissions noted only.
    pub unprofiled_ns: u64,
}

/// A kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// Its kind of operation.
    pub op: String,
}

/// Why a barrier was put.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// `read_after_write`, `write_after_read`, `write_after_write`, `unknown_access`, `serial` or `explicit`, as in the
    /// counters `barriers_*`.
    pub kind: String,
    /// In words, with the bytes that conflict.
    pub text: String,
}

/// What a fused dispatch stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fused {
    /// The rule that fired last.
    pub rule: String,
    /// The kinds of operation that it replaced, in program order.
    pub ops: Vec<String>,
}

/// A submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Its number on the device's queue.
    pub number: u64,
    /// The label of its encoder or launch.
    pub label: String,
    /// When its encoder was opened, or its launch began.
    pub opened_ns: u64,
    /// When it was committed.
    pub committed_ns: u64,
    /// When the device began it.
    pub start_ns: u64,
    /// When the device ended it.
    pub end_ns: u64,
    /// When the host saw that it was complete.
    pub completed_ns: u64,
    /// Whether it failed.
    pub failed: bool,
    /// What it counts as, by the names of `dacapo::Counters`.
    pub counters: BTreeMap<String, u64>,
    /// Its dispatches in the order in which they were given to the device.
    pub dispatches: Vec<Dispatch>,
}

/// A dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// An index into [`Profile::kernels`].
    pub kernel: u32,
    /// An index into [`Profile::scopes`].
    pub scope: u32,
    /// Its node in the graph that ran, if one ran.
    pub node: Option<u32>,
    /// An index into [`Profile::fused`].
    pub fused: Option<u32>,
    /// How many barriers stand before it in its submission.
    pub wave: u32,
    /// The barrier directly in front of it, as an index into [`Profile::causes`].
    pub barrier: Option<u32>,
    /// Bytes that come from memory at least once.
    pub read: u64,
    /// Bytes that go to memory.
    pub written: u64,
    /// Arithmetic operations; a multiplication and an addition are two.
    pub operations: u64,
    /// When it began. Dispatches of one wave overlap, unless each was in a pass of its own.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

/// What a thread of the host did for the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// What it did: `encode`, `plan`, `launch`, `wait`, ...
    pub name: String,
    /// What it was about.
    pub label: String,
    /// The thread.
    pub thread: String,
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}
