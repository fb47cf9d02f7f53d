//! The device, and the functions that give it.

mod make;
mod system;

pub(crate) use system::device;

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use block2::DynBlock;
use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, define_class, msg_send, sel};
use objc2_foundation::{NSArray, NSString};
use objc2_metal::{
    MTLArgumentBuffersTier, MTLBinaryArchive, MTLBuffer, MTLCommandQueue, MTLComputePipelineState,
    MTLCounterSampleBuffer, MTLCounterSamplingPoint, MTLCounterSet, MTLDevice, MTLDeviceLocation,
    MTLEvent, MTLFence, MTLGPUFamily, MTLIndirectCommandBuffer, MTLLibrary, MTLPipelineOption,
    MTLReadWriteTextureTier, MTLResidencySet, MTLResourceOptions, MTLSharedEvent, MTLSize,
};

use crate::archive::{ArchiveDescriptor, BinaryArchive};
use crate::counters::{self, SampleBufferDescriptor};
use crate::counts::{self, Count};
use crate::errors::ErrorSlot;
use crate::event::{Event, Fence, SharedEvent};
use crate::indirect::IndirectDescriptor;
use crate::ledger::Live;
use crate::library::{CompileOptions, Function, Library};
use crate::object::{Owned, made_by_name};
use crate::pipeline::{self, ComputePipelineDescriptor, Pipeline, Properties};
use crate::residency::ResidencySetDescriptor;
use crate::root::Root;
use crate::settings::{self, Feature, has};
use crate::time;

/// The device's name.
pub(crate) const NAME: &str = "Metal Double";
/// Threads of a simdgroup.
pub(crate) const EXECUTION_WIDTH: usize = 32;
/// Threads of a threadgroup at most.
pub(crate) const MAX_THREADS: usize = 1024;
/// Bytes of threadgroup memory at most.
pub(crate) const MAX_THREADGROUP_MEMORY: usize = 32768;
/// Bytes of a buffer at most.
const MAX_BUFFER: usize = 8 << 30;
/// Command buffers of a queue that have not ended, unless asked otherwise.
const COMMAND_BUFFERS: usize = 64;

/// Bytes of a device's buffers.
#[derive(Debug, Default)]
pub(crate) struct Accounts(AtomicUsize);

impl Accounts {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, SeqCst);
    }

    pub(crate) fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(bytes, SeqCst);
    }

    fn bytes(&self) -> usize {
        self.0.load(SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct DeviceIvars {
    number: u32,
    accounts: Arc<Accounts>,
    _live: Live,
}

type Reflection = *mut *mut AnyObject;
type Deallocator = *mut DynBlock<dyn Fn(NonNull<c_void>, usize)>;

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLDevice"]
    #[ivars = DeviceIvars]
    #[derive(Debug)]
    pub(crate) struct Device;

    unsafe impl NSObjectProtocol for Device {
        #[unsafe(method(respondsToSelector:))]
        fn responds(&self, selector: objc2::runtime::Sel) -> bool {
            let lacks =
                selector == sel!(newResidencySetWithDescriptor:error:) && !has(Feature::Residency);
            !lacks && self.class().responds_to(selector)
        }
    }

    unsafe impl MTLDevice for Device {
        #[unsafe(method_id(name))]
        fn name(&self) -> Retained<NSString> {
            let number = self.number();
            if number == 0 {
                NSString::from_str(NAME)
            } else {
                NSString::from_str(&format!("{NAME} {number}"))
            }
        }

        #[unsafe(method(registryID))]
        fn registry_id(&self) -> u64 {
            0x1_0000_0400 + u64::from(self.number())
        }

        #[unsafe(method_id(architecture))]
        fn architecture(&self) -> Retained<Architecture> {
            // SAFETY: new takes nothing and returns the object.
            unsafe { msg_send![Architecture::class(), new] }
        }

        #[unsafe(method(hasUnifiedMemory))]
        fn has_unified_memory(&self) -> bool {
            has(Feature::UnifiedMemory)
        }

        #[unsafe(method(isLowPower))]
        fn is_low_power(&self) -> bool {
            false
        }

        #[unsafe(method(isHeadless))]
        fn is_headless(&self) -> bool {
            true
        }

        #[unsafe(method(isRemovable))]
        fn is_removable(&self) -> bool {
            false
        }

        #[unsafe(method(location))]
        fn location(&self) -> MTLDeviceLocation {
            MTLDeviceLocation::BuiltIn
        }

        #[unsafe(method(locationNumber))]
        fn location_number(&self) -> usize {
            0
        }

        #[unsafe(method(maxTransferRate))]
        fn max_transfer_rate(&self) -> u64 {
            0
        }

        #[unsafe(method(recommendedMaxWorkingSetSize))]
        fn working_set(&self) -> u64 {
            settings::working_set()
        }

        #[unsafe(method(maxBufferLength))]
        fn max_buffer_length(&self) -> usize {
            MAX_BUFFER
        }

        #[unsafe(method(maxThreadgroupMemoryLength))]
        fn max_threadgroup_memory(&self) -> usize {
            MAX_THREADGROUP_MEMORY
        }

        #[unsafe(method(maxThreadsPerThreadgroup))]
        fn max_threads(&self) -> MTLSize {
            MTLSize {
                width: MAX_THREADS,
                height: MAX_THREADS,
                depth: MAX_THREADS,
            }
        }

        #[unsafe(method(currentAllocatedSize))]
        fn current_allocated_size(&self) -> usize {
            self.accounts().bytes()
        }

        #[unsafe(method(readWriteTextureSupport))]
        fn read_write_texture_support(&self) -> MTLReadWriteTextureTier {
            MTLReadWriteTextureTier::TierNone
        }

        #[unsafe(method(argumentBuffersSupport))]
        fn argument_buffers_support(&self) -> MTLArgumentBuffersTier {
            MTLArgumentBuffersTier::Tier2
        }

        #[unsafe(method(supportsFamily:))]
        fn supports_family(&self, family: MTLGPUFamily) -> bool {
            match family {
                MTLGPUFamily::Apple9 => {
                    has(Feature::Apple9) && has(Feature::Apple8) && has(Feature::Apple7)
                }
                MTLGPUFamily::Apple8 => has(Feature::Apple8) && has(Feature::Apple7),
                MTLGPUFamily::Apple7 => has(Feature::Apple7),
                MTLGPUFamily::Metal3 => has(Feature::Metal3),
                // A device of a newer family is one of every older family too.
                _ if (1001..=1006).contains(&family.0) || (3001..=3003).contains(&family.0) => {
                    has(Feature::NonUniformThreadgroups)
                }
                MTLGPUFamily::Mac2 => true,
                _ => false,
            }
        }

        #[unsafe(method_id(newCommandQueue))]
        fn new_queue(&self) -> Option<Owned<dyn MTLCommandQueue>> {
            self.queue(COMMAND_BUFFERS)
        }

        #[unsafe(method_id(newCommandQueueWithMaxCommandBufferCount:))]
        fn new_queue_of(&self, most: usize) -> Option<Owned<dyn MTLCommandQueue>> {
            self.queue_of(most)
        }

        #[unsafe(method_id(newBufferWithLength:options:))]
        fn new_buffer(
            &self,
            length: usize,
            options: MTLResourceOptions,
        ) -> Option<Owned<dyn MTLBuffer>> {
            self.buffer(
                "-[MTLDebugDevice newBufferWithLength:options:]",
                length,
                options,
            )
            .map(ProtocolObject::from_retained)
        }

        #[unsafe(method_id(newBufferWithBytes:length:options:))]
        fn new_buffer_with_bytes(
            &self,
            bytes: NonNull<c_void>,
            length: usize,
            options: MTLResourceOptions,
        ) -> Option<Owned<dyn MTLBuffer>> {
            self.buffer_with_bytes(bytes, length, options)
        }

        #[unsafe(method_id(newBufferWithBytesNoCopy:length:options:deallocator:))]
        fn new_buffer_no_copy(
            &self,
            bytes: NonNull<c_void>,
            length: usize,
            options: MTLResourceOptions,
            deallocator: Deallocator,
        ) -> Option<Owned<dyn MTLBuffer>> {
            self.buffer_over(bytes, length, options, deallocator)
        }

        #[unsafe(method_id(newLibraryWithSource:options:error:))]
        fn new_library(
            &self,
            source: &NSString,
            options: Option<&CompileOptions>,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLLibrary>> {
            Library::compile(self, source, options, error).map(ProtocolObject::from_retained)
        }

        #[unsafe(method_id(newComputePipelineStateWithFunction:error:))]
        fn new_pipeline(
            &self,
            function: &Function,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLComputePipelineState>> {
            Pipeline::build(
                self,
                function,
                &Properties::default(),
                MTLPipelineOption::None,
                error,
            )
            .map(ProtocolObject::from_retained)
        }

        #[unsafe(method_id(newComputePipelineStateWithFunction:options:reflection:error:))]
        fn new_pipeline_reflected(
            &self,
            function: &Function,
            options: MTLPipelineOption,
            reflection: Reflection,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLComputePipelineState>> {
            pipeline::no_reflection(reflection);
            Pipeline::build(self, function, &Properties::default(), options, error)
                .map(ProtocolObject::from_retained)
        }

        #[unsafe(method_id(newComputePipelineStateWithDescriptor:options:reflection:error:))]
        fn new_described_pipeline(
            &self,
            descriptor: &ComputePipelineDescriptor,
            options: MTLPipelineOption,
            reflection: Reflection,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLComputePipelineState>> {
            self.described_pipeline(descriptor, options, reflection, error)
        }

        #[unsafe(method_id(newResidencySetWithDescriptor:error:))]
        fn new_residency_set(
            &self,
            descriptor: &ResidencySetDescriptor,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLResidencySet>> {
            self.residency_set(descriptor, error)
        }

        #[unsafe(method_id(newFence))]
        fn new_fence(&self) -> Option<Owned<dyn MTLFence>> {
            Some(ProtocolObject::from_retained(Fence::of(self)))
        }

        #[unsafe(method_id(newEvent))]
        fn new_event(&self) -> Option<Owned<dyn MTLEvent>> {
            Some(ProtocolObject::from_retained(Event::of(self)))
        }

        #[unsafe(method_id(newSharedEvent))]
        fn new_shared_event(&self) -> Option<Owned<dyn MTLSharedEvent>> {
            Some(ProtocolObject::from_retained(SharedEvent::of(self)))
        }

        #[unsafe(method_id(counterSets))]
        fn counter_sets(&self) -> Option<Retained<NSArray<ProtocolObject<dyn MTLCounterSet>>>> {
            has(Feature::Counters).then(counters::sets)
        }

        #[unsafe(method(supportsCounterSampling:))]
        fn supports_counter_sampling(&self, point: MTLCounterSamplingPoint) -> bool {
            has(Feature::Counters) && point == MTLCounterSamplingPoint::AtStageBoundary
        }

        #[unsafe(method_id(newCounterSampleBufferWithDescriptor:error:))]
        fn new_sample_buffer(
            &self,
            descriptor: &SampleBufferDescriptor,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLCounterSampleBuffer>> {
            self.sample_buffer(descriptor, error)
        }

        #[unsafe(method(sampleTimestamps:gpuTimestamp:))]
        fn sample_timestamps(&self, cpu: NonNull<u64>, gpu: NonNull<u64>) {
            let now = time::cpu_nanoseconds();
            // SAFETY: the caller gives two words.
            unsafe {
                cpu.write(now);
                gpu.write(time::gpu_ticks(now));
            }
        }

        #[unsafe(method_id(newIndirectCommandBufferWithDescriptor:maxCommandCount:options:))]
        fn new_indirect(
            &self,
            descriptor: &IndirectDescriptor,
            count: usize,
            options: MTLResourceOptions,
        ) -> Option<Owned<dyn MTLIndirectCommandBuffer>> {
            self.indirect(descriptor, count, options)
        }

        #[unsafe(method_id(newBinaryArchiveWithDescriptor:error:))]
        fn new_archive(
            &self,
            descriptor: &ArchiveDescriptor,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLBinaryArchive>> {
            BinaryArchive::open(self, descriptor, error).map(ProtocolObject::from_retained)
        }
    }
);

// SAFETY: what changes is atomic.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

made_by_name!(Architecture, "MTLArchitecture", (), {
    #[unsafe(method_id(name))]
    fn name(&self) -> Retained<NSString> {
        NSString::from_str("metal_double_g16")
    }
});

impl Device {
    /// The device's number: objects of one device are not for another.
    pub(crate) fn number(&self) -> u32 {
        self.ivars().number
    }

    pub(crate) fn accounts(&self) -> &Arc<Accounts> {
        &self.ivars().accounts
    }

    /// Whether one of the archives has the function; counted.
    pub(crate) fn finds_in_archives(&self, archives: &[Retained<BinaryArchive>], key: u64) -> bool {
        let found = archives.iter().any(|archive| archive.has(key));
        if found {
            counts::count(Count::ArchiveHits);
        }
        found
    }
}
