//! Events and fences: what orders work that Metal does not order by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{DefinedClass, Message, define_class};
use objc2_foundation::NSString;
use objc2_metal::{MTLDevice, MTLEvent, MTLFence, MTLSharedEvent};
use parking_lot::{Condvar, Mutex};

use crate::device::Device;
use crate::held::{Core, Held, Lifetime};
use crate::ledger::{Class, Live};
use crate::object::{Owned, make};
use crate::order::{self, PassId};
use crate::root::Root;

/// The value of an event, and what is known to have happened before.
#[derive(Debug)]
pub(crate) struct EventCore {
    lifetime: Lifetime,
    value: Mutex<u64>,
    changed: Condvar,
    before: Mutex<HashSet<PassId>>,
}

impl EventCore {
    fn new(kind: &'static str, device: &Device) -> Self {
        Self {
            lifetime: Lifetime::new(kind, device.number()),
            value: Mutex::new(0),
            changed: Condvar::new(),
            before: Mutex::default(),
        }
    }

    /// Signals from the GPU's side, after the passes of `before`.
    pub(crate) fn signal(&self, value: u64, before: &HashSet<PassId>) {
        self.before.lock().extend(before);
        *self.value.lock() = value;
        self.changed.notify_all();
    }

    /// Waits until the value is reached, at most this long. Returns the passes that came before.
    pub(crate) fn wait(&self, value: u64, limit: Duration) -> Option<HashSet<PassId>> {
        let deadline = Instant::now() + limit;
        let mut now = self.value.lock();
        while *now < value {
            if self.changed.wait_until(&mut now, deadline).timed_out() && *now < value {
                return None;
            }
        }
        drop(now);
        Some(self.before.lock().clone())
    }
}

impl Held for EventCore {
    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }
}

#[derive(Debug)]
pub(crate) struct EventIvars {
    core: Core<EventCore>,
    device: Retained<Device>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLEvent"]
    #[ivars = EventIvars]
    #[derive(Debug)]
    pub(crate) struct Event;

    unsafe impl NSObjectProtocol for Event {}

    unsafe impl MTLEvent for Event {
        #[unsafe(method_id(device))]
        fn device(&self) -> Option<Owned<dyn MTLDevice>> {
            Some(ProtocolObject::from_retained(self.ivars().device.clone()))
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(
                &self.ivars().core.0.lifetime.label.lock(),
            ))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().core.0.lifetime.label.lock() =
                label.map(NSString::to_string).unwrap_or_default();
        }
    }
);

// SAFETY: everything that changes is behind locks.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLSharedEvent"]
    #[ivars = EventIvars]
    #[derive(Debug)]
    pub(crate) struct SharedEvent;

    unsafe impl NSObjectProtocol for SharedEvent {}

    unsafe impl MTLEvent for SharedEvent {
        #[unsafe(method_id(device))]
        fn device(&self) -> Option<Owned<dyn MTLDevice>> {
            Some(ProtocolObject::from_retained(self.ivars().device.clone()))
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(
                &self.ivars().core.0.lifetime.label.lock(),
            ))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().core.0.lifetime.label.lock() =
                label.map(NSString::to_string).unwrap_or_default();
        }
    }

    unsafe impl MTLSharedEvent for SharedEvent {
        #[unsafe(method(signaledValue))]
        fn signaled_value(&self) -> u64 {
            *self.ivars().core.0.value.lock()
        }

        #[unsafe(method(setSignaledValue:))]
        fn set_signaled_value(&self, value: u64) {
            // Whatever the host has seen complete comes before what it signals.
            self.ivars().core.0.signal(value, &order::finished());
        }

        #[unsafe(method(waitUntilSignaledValue:timeoutMS:))]
        fn wait_until(&self, value: u64, milliseconds: u64) -> bool {
            self.ivars()
                .core
                .0
                .wait(value, Duration::from_millis(milliseconds))
                .is_some()
        }
    }
);

// SAFETY: everything that changes is behind locks.
unsafe impl Send for SharedEvent {}
// SAFETY: as above.
unsafe impl Sync for SharedEvent {}

impl Event {
    pub(crate) fn of(device: &Device) -> Retained<Self> {
        let core = Core::new(EventCore::new("event", device));
        make::<Event>(EventIvars {
            core,
            device: device.retain(),
            _live: Live::new(Class::Event),
        })
    }
}

impl SharedEvent {
    pub(crate) fn of(device: &Device) -> Retained<Self> {
        let core = Core::new(EventCore::new("shared event", device));
        make::<SharedEvent>(EventIvars {
            core,
            device: device.retain(),
            _live: Live::new(Class::SharedEvent),
        })
    }
}

/// The core of an object that is an event of either class.
pub(crate) fn core_of(event: &AnyObject) -> Option<&Arc<EventCore>> {
    if let Some(event) = event.downcast_ref::<Event>() {
        return Some(&event.ivars().core.0);
    }
    Some(&event.downcast_ref::<SharedEvent>()?.ivars().core.0)
}

/// What is known to have happened before the last update of a fence.
#[derive(Debug)]
pub(crate) struct FenceCore {
    lifetime: Lifetime,
    pub(crate) before: Mutex<HashSet<PassId>>,
}

impl Held for FenceCore {
    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }
}

#[derive(Debug)]
pub(crate) struct FenceIvars {
    pub(crate) core: Core<FenceCore>,
    device: Retained<Device>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLFence"]
    #[ivars = FenceIvars]
    #[derive(Debug)]
    pub(crate) struct Fence;

    unsafe impl NSObjectProtocol for Fence {}

    unsafe impl MTLFence for Fence {
        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(
                &self.ivars().core.0.lifetime.label.lock(),
            ))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().core.0.lifetime.label.lock() =
                label.map(NSString::to_string).unwrap_or_default();
        }
    }
);

// SAFETY: everything that changes is behind locks.
unsafe impl Send for Fence {}
// SAFETY: as above.
unsafe impl Sync for Fence {}

impl Fence {
    pub(crate) fn of(device: &Device) -> Retained<Self> {
        let core = FenceCore {
            lifetime: Lifetime::new("fence", device.number()),
            before: Mutex::default(),
        };
        make::<Fence>(FenceIvars {
            core: Core::new(core),
            device: device.retain(),
            _live: Live::new(Class::Fence),
        })
    }
}
