//! Residency sets: members count once they are committed.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ptr::NonNull;
use std::sync::Arc;

use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSArray, NSString};
use objc2_metal::{MTLDevice, MTLResidencySet};
use parking_lot::Mutex;

use crate::counts::{self, Count};
use crate::device::Device;
use crate::held::{Lifetime, next_id};
use crate::indirect::IndirectCommandBuffer;
use crate::ledger::{Class, Live};
use crate::memory::Buffer;
use crate::object::{Owned, made_by_name, make};
use crate::root::Root;
use crate::rules;

/// Makes the class that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = ResidencySetDescriptor::class();
}

#[derive(Debug, Default)]
pub(crate) struct Described {
    label: RefCell<String>,
    capacity: Cell<usize>,
}

made_by_name!(
    ResidencySetDescriptor,
    "MTLResidencySetDescriptor",
    Described,
    {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.borrow()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.borrow_mut() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method(initialCapacity))]
        fn capacity(&self) -> usize {
            self.ivars().capacity.get()
        }

        #[unsafe(method(setInitialCapacity:))]
        fn set_capacity(&self, capacity: usize) {
            self.ivars().capacity.set(capacity);
        }
    }
);

/// What can be made resident: buffers and indirect command buffers.
pub(crate) fn lifetime_of(resource: &AnyObject) -> Option<&Lifetime> {
    if let Some(buffer) = resource.downcast_ref::<Buffer>() {
        return Some(&buffer.storage().lifetime);
    }
    Some(resource.downcast_ref::<IndirectCommandBuffer>()?.lifetime())
}

/// The numbers of the members that count.
pub(crate) type Resident = Arc<HashSet<u64>>;

#[derive(Debug)]
pub(crate) struct ResidencySetIvars {
    id: u64,
    label: String,
    device: Retained<Device>,
    /// Members as the program changed them.
    members: Mutex<HashMap<u64, Retained<AnyObject>>>,
    /// Members as of the last commit, which are kept alive.
    committed: Mutex<(Resident, Vec<Retained<AnyObject>>)>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLResidencySet"]
    #[ivars = ResidencySetIvars]
    #[derive(Debug)]
    pub(crate) struct ResidencySet;

    unsafe impl NSObjectProtocol for ResidencySet {}

    unsafe impl MTLResidencySet for ResidencySet {
        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label))
        }

        #[unsafe(method(allocatedSize))]
        fn allocated_size(&self) -> u64 {
            let members = self.ivars().members.lock();
            members
                .values()
                .filter_map(|member| member.downcast_ref::<Buffer>())
                .map(|buffer| buffer.storage().length as u64)
                .sum()
        }

        #[unsafe(method(requestResidency))]
        fn request(&self) {
            counts::count(Count::ResidencyRequests);
        }

        #[unsafe(method(endResidency))]
        fn end(&self) {}

        #[unsafe(method(addAllocation:))]
        fn add(&self, allocation: &AnyObject) {
            self.insert(allocation, "-[MTLDebugResidencySet addAllocation:]");
        }

        #[unsafe(method(addAllocations:count:))]
        fn add_all(&self, allocations: NonNull<NonNull<AnyObject>>, count: usize) {
            for i in 0..count {
                // SAFETY: the caller gives so many objects.
                self.insert(
                    unsafe { allocations.add(i).read().as_ref() },
                    "-[MTLDebugResidencySet addAllocations:count:]",
                );
            }
        }

        #[unsafe(method(removeAllocation:))]
        fn remove(&self, allocation: &AnyObject) {
            self.take(allocation);
        }

        #[unsafe(method(removeAllocations:count:))]
        fn remove_all(&self, allocations: NonNull<NonNull<AnyObject>>, count: usize) {
            for i in 0..count {
                // SAFETY: the caller gives so many objects.
                self.take(unsafe { allocations.add(i).read().as_ref() });
            }
        }

        #[unsafe(method(removeAllAllocations))]
        fn remove_everything(&self) {
            let members = std::mem::take(&mut *self.ivars().members.lock());
            drop(members);
        }

        #[unsafe(method(containsAllocation:))]
        fn contains(&self, allocation: &AnyObject) -> bool {
            lifetime_of(allocation)
                .is_some_and(|lifetime| self.ivars().members.lock().contains_key(&lifetime.id))
        }

        #[unsafe(method_id(allAllocations))]
        fn all(&self) -> Retained<NSArray<AnyObject>> {
            let members: Vec<_> = self.ivars().members.lock().values().cloned().collect();
            NSArray::from_retained_slice(&members)
        }

        #[unsafe(method(allocationCount))]
        fn count(&self) -> usize {
            self.ivars().members.lock().len()
        }

        #[unsafe(method(commit))]
        fn commit(&self) {
            counts::count(Count::ResidencyCommits);
            let (ids, objects) = {
                let members = self.ivars().members.lock();
                (
                    members.keys().copied().collect(),
                    members.values().cloned().collect(),
                )
            };
            let before = std::mem::replace(
                &mut *self.ivars().committed.lock(),
                (Arc::new(ids), objects),
            );
            // Members may be deallocated here, outside the lock.
            drop(before);
        }
    }
);

// SAFETY: what changes is behind locks; members are objects of the double, which are shared between threads.
unsafe impl Send for ResidencySet {}
// SAFETY: as above.
unsafe impl Sync for ResidencySet {}

impl ResidencySet {
    pub(crate) fn of(device: &Device, descriptor: &ResidencySetDescriptor) -> Retained<Self> {
        let ivars = ResidencySetIvars {
            id: next_id(),
            label: descriptor.ivars().label.borrow().clone(),
            device: device.retain(),
            members: Mutex::default(),
            committed: Mutex::default(),
            _live: Live::new(Class::ResidencySet),
        };
        make::<ResidencySet>(ivars)
    }

    pub(crate) fn id(&self) -> u64 {
        self.ivars().id
    }

    pub(crate) fn device_number(&self) -> u32 {
        self.ivars().device.number()
    }

    /// The members as of the last commit.
    pub(crate) fn resident(&self) -> Resident {
        self.ivars().committed.lock().0.clone()
    }

    fn insert(&self, allocation: &AnyObject, place: &str) {
        let Some(lifetime) = lifetime_of(allocation) else {
            rules::fail(
                place,
                format_args!("{} is not an allocation", allocation.class()),
            );
            return;
        };
        if lifetime.device != self.device_number() {
            rules::fail(
                place,
                format_args!("{} was created on another device", lifetime.name()),
            );
            return;
        }
        self.ivars()
            .members
            .lock()
            .insert(lifetime.id, allocation.retain());
    }

    fn take(&self, allocation: &AnyObject) {
        if let Some(lifetime) = lifetime_of(allocation) {
            let taken = self.ivars().members.lock().remove(&lifetime.id);
            drop(taken);
        }
    }
}
