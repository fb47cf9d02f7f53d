//! Command queues.

use std::ptr::NonNull;
use std::sync::Arc;

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{DefinedClass, Message, define_class, sel};
use objc2_foundation::NSString;
use objc2_metal::{MTLCommandBuffer, MTLCommandQueue, MTLDevice};
use parking_lot::{Condvar, Mutex};

use crate::command_buffer::{CommandBuffer, CommandBufferDescriptor, Kind};
use crate::device::Device;
use crate::executor::Executor;
use crate::faults::{Call, strikes};
use crate::held::next_id;
use crate::ledger::{Class, Live};
use crate::object::{Owned, make};
use crate::residency::{ResidencySet, Resident};
use crate::root::Root;
use crate::rules::fail;
use crate::settings::{self, Feature, has};

/// Residency sets that a queue takes at most.
const MAX_SETS: usize = 32;

/// Command buffers that exist and have not ended: a queue has room for so many.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Room {
    fn take(&self) -> bool {
        let mut taken = self.taken.lock();
        while *taken >= self.most {
            if self
                .freed
                .wait_for(&mut taken, settings::patience())
                .timed_out()
                && *taken >= self.most
            {
                return false;
            }
        }
        *taken += 1;
        true
    }
}

/// A place in a queue's room, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.taken.lock() -= 1;
        self.0.freed.notify_one();
    }
}

#[derive(Debug)]
pub(crate) struct QueueIvars {
    device: Retained<Device>,
    pub(crate) executor: Executor,
    room: Arc<Room>,
    label: Mutex<String>,
    sets: Mutex<Vec<Retained<ResidencySet>>>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLCommandQueue"]
    #[ivars = QueueIvars]
    #[derive(Debug)]
    pub(crate) struct Queue;

    unsafe impl NSObjectProtocol for Queue {
        #[unsafe(method(respondsToSelector:))]
        fn responds(&self, selector: objc2::runtime::Sel) -> bool {
            let residency = [
                sel!(addResidencySet:),
                sel!(addResidencySets:count:),
                sel!(removeResidencySet:),
                sel!(removeResidencySets:count:),
            ];
            let lacks = residency.contains(&selector) && !has(Feature::Residency);
            !lacks && self.class().responds_to(selector)
        }
    }

    unsafe impl MTLCommandQueue for Queue {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.lock()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.lock() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method_id(commandBuffer))]
        fn command_buffer(&self) -> Option<Owned<dyn MTLCommandBuffer>> {
            self.make_command_buffer(Kind {
                retained: true,
                encoder_status: false,
            })
        }

        #[unsafe(method_id(commandBufferWithUnretainedReferences))]
        fn unretained_command_buffer(&self) -> Option<Owned<dyn MTLCommandBuffer>> {
            self.make_command_buffer(Kind {
                retained: false,
                encoder_status: false,
            })
        }

        #[unsafe(method_id(commandBufferWithDescriptor:))]
        fn described_command_buffer(
            &self,
            descriptor: &CommandBufferDescriptor,
        ) -> Option<Owned<dyn MTLCommandBuffer>> {
            self.make_command_buffer(descriptor.kind())
        }

        #[unsafe(method(insertDebugCaptureBoundary))]
        fn insert_debug_capture_boundary(&self) {}

        #[unsafe(method(addResidencySet:))]
        fn add_set(&self, set: &ResidencySet) {
            self.add(set, "-[MTLDebugCommandQueue addResidencySet:]");
        }

        #[unsafe(method(addResidencySets:count:))]
        fn add_sets(&self, sets: NonNull<NonNull<ResidencySet>>, count: usize) {
            for i in 0..count {
                // SAFETY: the caller gives so many sets.
                self.add(
                    unsafe { sets.add(i).read().as_ref() },
                    "-[MTLDebugCommandQueue addResidencySets:count:]",
                );
            }
        }

        #[unsafe(method(removeResidencySet:))]
        fn remove_set(&self, set: &ResidencySet) {
            self.remove(set);
        }

        #[unsafe(method(removeResidencySets:count:))]
        fn remove_sets(&self, sets: NonNull<NonNull<ResidencySet>>, count: usize) {
            for i in 0..count {
                // SAFETY: the caller gives so many sets.
                self.remove(unsafe { sets.add(i).read().as_ref() });
            }
        }
    }
);

// SAFETY: what changes is behind locks.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    pub(crate) fn of(device: &Device, most: usize) -> Retained<Self> {
        let ivars = QueueIvars {
            device: device.retain(),
            executor: Executor::start(next_id()),
            room: Arc::new(Room {
                most,
                taken: Mutex::new(0),
                freed: Condvar::new(),
            }),
            label: Mutex::default(),
            sets: Mutex::default(),
            _live: Live::new(Class::Queue),
        };
        make::<Queue>(ivars)
    }

    pub(crate) fn device_object(&self) -> &Retained<Device> {
        &self.ivars().device
    }

    /// Members of the attached residency sets, as of now.
    pub(crate) fn resident(&self) -> Vec<Resident> {
        self.ivars()
            .sets
            .lock()
            .iter()
            .map(|set| set.resident())
            .collect()
    }

    fn make_command_buffer(&self, kind: Kind) -> Option<Owned<dyn MTLCommandBuffer>> {
        if strikes(Call::CommandBuffer) {
            return None;
        }
        let room = &self.ivars().room;
        if !room.take() {
            fail(
                "-[MTLDebugCommandQueue commandBuffer]",
                format_args!(
                    "all {} command buffers of the queue exist, and none has ended for {} s: commit them or let them go",
                    room.most,
                    settings::patience().as_secs_f32()
                ),
            );
            return None;
        }
        Some(ProtocolObject::from_retained(CommandBuffer::of(
            self,
            kind,
            Place(room.clone()),
        )))
    }

    fn add(&self, set: &ResidencySet, place: &str) {
        if set.device_number() != self.ivars().device.number() {
            fail(place, "the residency set was created on another device");
            return;
        }
        let mut sets = self.ivars().sets.lock();
        if sets.iter().any(|known| known.id() == set.id()) {
            return;
        }
        if sets.len() >= MAX_SETS {
            fail(
                place,
                format_args!("a command queue takes at most {MAX_SETS} residency sets"),
            );
            return;
        }
        sets.push(set.retain());
    }

    fn remove(&self, set: &ResidencySet) {
        let mut sets = self.ivars().sets.lock();
        let removed = sets
            .iter()
            .position(|known| known.id() == set.id())
            .map(|index| sets.remove(index));
        drop(sets);
        drop(removed);
    }
}
