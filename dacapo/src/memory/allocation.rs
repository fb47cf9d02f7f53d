use core::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::access::Access;
use crate::backend;
use crate::device::DeviceCore;
use crate::error::{Error, Result, SubmissionFailure};
use crate::hazard::AllocationId;
use crate::memory::{MemoryKind, WhenBusy};
use crate::range::ByteRange;

/// One piece of device memory, and who is using it. Freed when the last buffer, view, guard, encoder or
/// submission that refers to it is gone.
pub(crate) struct Allocation {
    pub(crate) id: AllocationId,
    pub(crate) label: Box<str>,
    pub(crate) size: u64,
    pub(crate) kind: MemoryKind,
    pub(crate) read_only: bool,
    /// Whether it counts against the device's budget.
    counted: bool,
    pub(crate) memory: Box<dyn backend::Memory>,
    pub(crate) device: Arc<DeviceCore>,
    users: Mutex<Users>,
}

#[derive(Default)]
struct Users {
    maps: SmallVec<[Map; 4]>,
    last_read: u64,
    last_write: u64,
    /// Why the contents are not what a submission should have written.
    failure: Option<Arc<SubmissionFailure>>,
}

#[derive(Clone, Copy, PartialEq)]
struct Map {
    range: ByteRange,
    writes: bool,
}

/// How a submission uses an allocation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeviceUse {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

impl DeviceUse {
    pub(crate) fn include(&mut self, access: Access) {
        self.reads |= access.reads();
        self.writes |= access.writes();
    }
}

impl Allocation {
    pub(crate) fn new(
        device: &Arc<DeviceCore>,
        label: &str,
        size: u64,
        kind: MemoryKind,
        memory: Box<dyn backend::Memory>,
    ) -> Allocation {
        Allocation {
            id: device.allocations.acquire(),
            label: label.into(),
            size,
            kind,
            read_only: false,
            counted: true,
            memory,
            device: device.clone(),
            users: Mutex::default(),
        }
    }

    /// Memory that the caller keeps, which does not count against the device's budget.
    pub(crate) fn foreign(mut self) -> Allocation {
        self.counted = false;
        self
    }

    pub(crate) fn read_only(mut self) -> Allocation {
        self.read_only = true;
        self
    }

    /// Starts host access to `range`. Ends with [`Allocation::end_host_access`].
    pub(crate) fn begin_host_access(
        &self,
        range: ByteRange,
        writes: bool,
        busy: WhenBusy,
    ) -> Result<()> {
        let asked = if writes {
            "writing by the host"
        } else {
            "reading by the host"
        };
        if writes && self.read_only {
            return Err(Error::ReadOnly {
                buffer: self.label.clone(),
                asked,
            });
        }
        let timeline = &self.device.timeline;
        loop {
            let mut users = self.users.lock();
            if let Some(map) = users
                .maps
                .iter()
                .find(|map| map.range.overlaps(&range) && (map.writes || writes))
            {
                return Err(self.mapped(map.writes, asked));
            }
            let blocker = if writes {
                users.last_read.max(users.last_write)
            } else {
                users.last_write
            };
            if timeline.is_complete(blocker) {
                match &users.failure {
                    Some(failure) if !writes => {
                        return Err(Error::Submission(failure.clone()));
                    }
                    Some(_) if range.len() == self.size => users.failure = None,
                    _ => {}
                }
                users.maps.push(Map { range, writes });
                return Ok(());
            }
            match busy {
                WhenBusy::Refuse => {
                    return Err(Error::Busy {
                        buffer: self.label.clone(),
                        submission: blocker,
                    });
                }
                WhenBusy::Wait => {
                    drop(users);
                    self.device.wait_for(blocker, None)?;
                }
            }
        }
    }

    pub(crate) fn end_host_access(&self, range: ByteRange, writes: bool) {
        let mut users = self.users.lock();
        if let Some(at) = users
            .maps
            .iter()
            .position(|map| *map == Map { range, writes })
        {
            users.maps.swap_remove(at);
        }
    }

    /// Notes that submission `number` uses this allocation; refused while the host has it mapped in a way
    /// that conflicts.
    pub(crate) fn begin_device_use(&self, number: u64, used: DeviceUse) -> Result<()> {
        if self.read_only {
            // Nobody writes it, so nobody has to wait.
            return Ok(());
        }
        let mut users = self.users.lock();
        if let Some(map) = users.maps.iter().find(|map| map.writes || used.writes) {
            let asked = if used.writes {
                "a submission that writes it"
            } else {
                "a submission that reads it"
            };
            return Err(self.mapped(map.writes, asked));
        }
        if used.reads {
            users.last_read = number;
        }
        if used.writes {
            users.last_write = number;
        }
        Ok(())
    }

    /// Notes how a submission that writes this allocation ended. They end in the order of their numbers.
    pub(crate) fn end_device_write(&self, failure: Option<&Arc<SubmissionFailure>>) {
        self.users.lock().failure = failure.cloned();
    }

    fn mapped(&self, writes: bool, asked: &'static str) -> Error {
        let mapped = if writes { "writing" } else { "reading" };
        Error::Mapped {
            buffer: self.label.clone(),
            mapped,
            asked,
        }
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.device.residency.forget(self.id);
        self.device.allocations.release(self.id);
        if self.counted {
            self.device.budget.give_back(self.size);
        }
    }
}

impl fmt::Debug for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({} bytes, {})", self.label, self.size, self.kind)
    }
}
