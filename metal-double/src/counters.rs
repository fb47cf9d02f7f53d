//! Counter sets and sample buffers: timestamps of the GPU's clock.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSArray, NSData, NSRange, NSString};
use objc2_metal::{
    MTLCounter, MTLCounterSampleBuffer, MTLCounterSampleBufferError, MTLCounterSet, MTLDevice,
    MTLStorageMode,
};

use crate::device::Device;
use crate::errors::{ErrorSlot, refuse};
use crate::faults::{Call, strikes};
use crate::held::{Core, Held, Lifetime};
use crate::ledger::{Class, Live};
use crate::object::{Owned, made_by_name, make};
use crate::root::Root;
use crate::rules;

const DOMAIN: &str = "MTLCounterErrorDomain";
/// Bytes of a sample buffer at most.
pub(crate) const MAX_BYTES: usize = 32768;
/// Sample buffers that may exist at a time.
pub(crate) const MAX_ALIVE: usize = 32;
/// What samples that were not taken read as.
const NOT_SAMPLED: u64 = u64::MAX;

static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Makes the class that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = SampleBufferDescriptor::class();
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLCounter"]
    #[derive(Debug)]
    pub(crate) struct Counter;

    unsafe impl NSObjectProtocol for Counter {}

    unsafe impl MTLCounter for Counter {
        #[unsafe(method_id(name))]
        fn name(&self) -> Retained<NSString> {
            NSString::from_str("GPUTimestamp")
        }
    }
);

// SAFETY: it has nothing that changes.
unsafe impl Send for Counter {}
// SAFETY: as above.
unsafe impl Sync for Counter {}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLCounterSet"]
    #[derive(Debug)]
    pub(crate) struct CounterSet;

    unsafe impl NSObjectProtocol for CounterSet {}

    unsafe impl MTLCounterSet for CounterSet {
        #[unsafe(method_id(name))]
        fn name(&self) -> Retained<NSString> {
            NSString::from_str("timestamp")
        }

        #[unsafe(method_id(counters))]
        fn counters(&self) -> Retained<NSArray<ProtocolObject<dyn MTLCounter>>> {
            let counter: Owned<dyn MTLCounter> = ProtocolObject::from_retained(make::<Counter>(()));
            NSArray::from_retained_slice(&[counter])
        }
    }
);

// SAFETY: it has nothing that changes.
unsafe impl Send for CounterSet {}
// SAFETY: as above.
unsafe impl Sync for CounterSet {}

/// The sets of a device: timestamps alone.
pub(crate) fn sets() -> Retained<NSArray<ProtocolObject<dyn MTLCounterSet>>> {
    let set: Owned<dyn MTLCounterSet> = ProtocolObject::from_retained(make::<CounterSet>(()));
    NSArray::from_retained_slice(&[set])
}

#[derive(Debug, Default)]
pub(crate) struct Described {
    set: RefCell<Option<Retained<CounterSet>>>,
    label: RefCell<String>,
    storage: Cell<usize>,
    samples: Cell<usize>,
}

made_by_name!(
    SampleBufferDescriptor,
    "MTLCounterSampleBufferDescriptor",
    Described,
    {
        #[unsafe(method_id(counterSet))]
        fn counter_set(&self) -> Option<Owned<dyn MTLCounterSet>> {
            self.ivars()
                .set
                .borrow()
                .clone()
                .map(ProtocolObject::from_retained)
        }

        #[unsafe(method(setCounterSet:))]
        fn set_counter_set(&self, set: Option<&CounterSet>) {
            *self.ivars().set.borrow_mut() = set.map(Message::retain);
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Retained<NSString> {
            NSString::from_str(&self.ivars().label.borrow())
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: &NSString) {
            *self.ivars().label.borrow_mut() = label.to_string();
        }

        #[unsafe(method(storageMode))]
        fn storage_mode(&self) -> MTLStorageMode {
            MTLStorageMode(self.ivars().storage.get())
        }

        #[unsafe(method(setStorageMode:))]
        fn set_storage_mode(&self, mode: MTLStorageMode) {
            self.ivars().storage.set(mode.0);
        }

        #[unsafe(method(sampleCount))]
        fn sample_count(&self) -> usize {
            self.ivars().samples.get()
        }

        #[unsafe(method(setSampleCount:))]
        fn set_sample_count(&self, count: usize) {
            self.ivars().samples.set(count);
        }
    }
);

/// The samples themselves.
#[derive(Debug)]
pub(crate) struct Samples {
    lifetime: Lifetime,
    values: Box<[AtomicU64]>,
}

impl Samples {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn store(&self, index: usize, ticks: u64) {
        self.values[index].store(ticks, SeqCst);
    }
}

impl Held for Samples {
    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }
}

#[derive(Debug)]
pub(crate) struct SampleBufferIvars {
    samples: Core<Samples>,
    shared: bool,
    device: Retained<Device>,
    _live: Live,
}

impl Drop for SampleBufferIvars {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, SeqCst);
    }
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLCounterSampleBuffer"]
    #[ivars = SampleBufferIvars]
    #[derive(Debug)]
    pub(crate) struct SampleBuffer;

    unsafe impl NSObjectProtocol for SampleBuffer {}

    unsafe impl MTLCounterSampleBuffer for SampleBuffer {
        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Retained<NSString> {
            NSString::from_str(&self.samples().lifetime.label.lock())
        }

        #[unsafe(method(sampleCount))]
        fn sample_count(&self) -> usize {
            self.samples().len()
        }

        #[unsafe(method_id(resolveCounterRange:))]
        fn resolve(&self, range: NSRange) -> Option<Retained<NSData>> {
            self.resolved(range)
        }
    }
);

// SAFETY: the samples are atomics.
unsafe impl Send for SampleBuffer {}
// SAFETY: as above.
unsafe impl Sync for SampleBuffer {}

impl SampleBuffer {
    pub(crate) fn samples(&self) -> &Arc<Samples> {
        &self.ivars().samples.0
    }

    fn resolved(&self, range: NSRange) -> Option<Retained<NSData>> {
        const PLACE: &str = "-[MTLDebugCounterSampleBuffer resolveCounterRange:]";
        if !self.ivars().shared {
            rules::fail(
                PLACE,
                "the sample buffer's storage mode must be MTLStorageModeShared",
            );
            return None;
        }
        let count = self.samples().len();
        if range
            .location
            .checked_add(range.length)
            .is_none_or(|end| end > count)
        {
            rules::fail(
                PLACE,
                format_args!(
                    "range.location({}) + range.length({}) must be <= sampleCount({count})",
                    range.location, range.length
                ),
            );
            return None;
        }
        let values = &self.samples().values[range.location..range.location + range.length];
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.load(SeqCst).to_ne_bytes())
            .collect();
        Some(NSData::with_bytes(&bytes))
    }

    pub(crate) fn of(
        device: &Device,
        descriptor: &SampleBufferDescriptor,
        error: ErrorSlot,
    ) -> Option<Retained<Self>> {
        let wanted = descriptor.ivars();
        let refused = |code: MTLCounterSampleBufferError, text: &str| {
            refuse(error, DOMAIN, code.0, text);
            None
        };
        if strikes(Call::CounterSampleBuffer) {
            return refused(
                MTLCounterSampleBufferError::Internal,
                "sample buffers were made to fail",
            );
        }
        if wanted.set.borrow().is_none() {
            return refused(
                MTLCounterSampleBufferError::Invalid,
                "the descriptor has no counter set",
            );
        }
        let count = wanted.samples.get();
        let bytes = count.saturating_mul(size_of::<u64>());
        if count == 0 || bytes > MAX_BYTES {
            let text = format!(
                "Invalid sample buffer length: {bytes} B. Expected range: 8 -> {MAX_BYTES}"
            );
            return refused(MTLCounterSampleBufferError::Invalid, &text);
        }
        if ALIVE.load(SeqCst) >= MAX_ALIVE {
            return refused(
                MTLCounterSampleBufferError::OutOfMemory,
                &format!("Cannot allocate sample buffer: {MAX_ALIVE} exist already"),
            );
        }
        ALIVE.fetch_add(1, SeqCst);
        let lifetime = Lifetime::new("counter sample buffer", device.number());
        lifetime.label.lock().clone_from(&wanted.label.borrow());
        let values = (0..count).map(|_| AtomicU64::new(NOT_SAMPLED)).collect();
        let ivars = SampleBufferIvars {
            samples: Core::new(Samples { lifetime, values }),
            shared: wanted.storage.get() == MTLStorageMode::Shared.0,
            device: device.retain(),
            _live: Live::new(Class::CounterSampleBuffer),
        };
        Some(make::<SampleBuffer>(ivars))
    }
}
