use bytemuck::NoUninit;
use smallvec::SmallVec;

use crate::access::Access;
use crate::device::DeviceCore;
use crate::encoder::native_use;
use crate::error::{Error, Result};
use crate::graph::executable::Executable;
use crate::memory::BufferView;
use crate::profile::{ProfileLevel, spanned};
use crate::submission::Submission;
use std::sync::Arc;

/// How an executable is launched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Launch<'a> {
    /// A name for errors, profiles and the driver's tools.
    pub label: &'a str,
    /// What is written before the first node runs.
    pub updates: &'a [Update<'a>],
    /// What is read behind the last node, for [`Submission::fetched`].
    pub fetch: Option<&'a BufferView>,
    /// How much is noted as it runs, for [`Submission::trace`]; a [`Recorder`](crate::Recorder) can ask for more.
    pub profile: ProfileLevel,
    /// As [`EncoderOptions::extent`](crate::EncoderOptions::extent).
    pub extent: Option<u64>,
}

/// Bytes that a launch writes to memory in its turn, so that nobody waits for earlier launches that still read what was
/// there before.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Where they are written.
    pub target: &'a BufferView,
    /// As many bytes as the target has.
    pub bytes: &'a [u8],
}

impl<'a> Update<'a> {
    /// Writes `values` to all of `target`.
    pub fn new<T: NoUninit>(target: &'a BufferView, values: &'a [T]) -> Update<'a> {
        Update {
            target,
            bytes: bytemuck::cast_slice(values),
        }
    }
}

impl Launch<'_> {
    /// Most bytes that the updates of a launch have together, and most bytes that it fetches.
    pub const MAX_BYTES: u64 = 64 << 10;

    fn check(&self, core: &Arc<DeviceCore>) -> Result<()> {
        let mut total = 0u64;
        for (at, Update { target, bytes }) in self.updates.iter().enumerate() {
            native_use(core, target, Access::Write, "an update")?;
            let given = bytes.len() as u64;
            if given != target.len() {
                return Err(Error::LengthMismatch {
                    what: "an update",
                    given,
                    len: target.len(),
                });
            }
            total = total.saturating_add(given);
            for Update { target: other, .. } in &self.updates[..at] {
                if other.allocation() == target.allocation()
                    && let Some(overlap) = other.range.intersection(&target.range)
                {
                    return Err(Error::UpdatesOverlap {
                        buffer: target.label().into(),
                        overlap,
                    });
                }
            }
        }
        if let Some(source) = self.fetch {
            native_use(core, source, Access::Read, "a fetch")?;
        }
        let fetched = self.fetch.map_or(0, BufferView::len);
        for (what, given) in [("updates of a launch", total), ("a fetch", fetched)] {
            let limit = Launch::MAX_BYTES;
            if given > limit {
                return Err(Error::TooLong { what, given, limit });
            }
        }
        Ok(())
    }
}

impl Executable {
    /// Submits all nodes, after everything that was submitted before.
    ///
    /// # Errors
    /// [`Error::Mapped`] while the host has a buffer mapped that the nodes use. After a patch also
    /// [`Error::DeviceLost`] and [`Error::Driver`], where the driver refuses to record it; a later launch tries again.
    pub fn launch(&self, label: &str) -> Result<Submission> {
        self.launch_with(&Launch {
            label,
            ..Launch::default()
        })
    }

    /// Submits all nodes with values of this launch, and brings some back: what changes from one launch to the next
    /// neither waits for those before nor keeps those behind waiting.
    ///
    /// ```
    /// # use dacapo::{Device, DeviceOptions, Graph, Launch, MemoryKind, PlanOptions, Update};
    /// # let device = Device::open(&DeviceOptions::default())?;
    /// let token = device.buffer(4, MemoryKind::DeviceLocal)?;
    /// let seen = device.buffer(4, MemoryKind::DeviceLocal)?;
    /// let graph = Graph::capture(&device, |encoder| encoder.copy(&token, &seen))?;
    /// let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
    /// let mut launches = Vec::new();
    /// for value in [3u32, 5, 8] {
    ///     launches.push(executable.launch_with(&Launch {
    ///         label: "step",
    ///         updates: &[Update::new(&token, &[value])],
    ///         fetch: Some(&seen),
    ///         ..Launch::default()
    ///     })?);
    /// }
    /// for (launch, value) in launches.iter().zip([3u32, 5, 8]) {
    ///     assert_eq!(launch.fetched::<u32>()?, [value]);
    /// }
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Executable::launch`]. [`Error::ForeignDevice`], [`Error::ReadOnly`], [`Error::LengthMismatch`],
    /// [`Error::UpdatesOverlap`] and [`Error::TooLong`] for updates and fetches that cannot be.
    pub fn launch_with(&self, launch: &Launch<'_>) -> Result<Submission> {
        let core = &self.device.core;
        let _span = spanned!(core, "launch", launch.label);
        launch.check(core)?;
        let level = core.profile_level(launch.profile);
        let notes = self.notes(level, launch.extent);
        let launched = match level {
            ProfileLevel::Dispatches => self.timed()?,
            _ => self.current()?,
        };
        let updates = launch.updates.iter();
        let updates = updates.filter(|update| !update.bytes.is_empty());
        let updates: SmallVec<[_; 4]> = updates
            .map(|update| (update.target, update.bytes))
            .collect();
        let fetch = launch.fetch.filter(|source| !source.is_empty());
        let mut recording = core.recording(launch.label, true);
        if let Some(notes) = notes {
            recording.note(notes);
        }
        recording.launch(launched, &updates, fetch);
        core.submit(recording)
    }
}
