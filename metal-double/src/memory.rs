//! Buffers: objects over memory of the CPU, which is the GPU's memory too.

use std::alloc::Layout;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use block2::RcBlock;
use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{DefinedClass, Message, define_class};
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{
    MTLAllocation, MTLBuffer, MTLCPUCacheMode, MTLDevice, MTLHazardTrackingMode, MTLPurgeableState,
    MTLResource, MTLResourceOptions, MTLStorageMode,
};

use crate::counts::{self, Count};
use crate::device::Device;
use crate::held::{Core, Held, Lifetime};
use crate::ledger::{Class, Live};
use crate::object::{Owned, make};
use crate::root::Root;
use crate::rules;
use crate::shadow::Shadow;

/// Memory is allocated in pages, as devices of Apple do it.
pub(crate) const PAGE: usize = 16384;
/// Written over the memory of buffers that were let go while a command buffer may still use them.
pub(crate) const POISON: u8 = 0xDB;

/// Called with the address and the length when a buffer over the program's own pages goes.
pub(crate) type Deallocator = RcBlock<dyn Fn(NonNull<c_void>, usize)>;

/// Where the bytes are.
enum Backing {
    Allocated(Layout),
    /// The program's own pages, and what it wants to be called with at the end.
    Borrowed(Option<Deallocator>),
}

/// The memory behind a buffer.
pub(crate) struct Storage {
    pub(crate) lifetime: Lifetime,
    pub(crate) base: NonNull<u8>,
    pub(crate) length: usize,
    pub(crate) untracked: bool,
    options: MTLResourceOptions,
    backing: Backing,
    /// Who touched which word last.
    pub(crate) shadow: Shadow,
    owner: Arc<crate::device::Accounts>,
}

// SAFETY: the bytes are shared memory of a CPU and a GPU: whoever touches them orders the accesses. The deallocator is called
// once, by whoever lets go last, which is what Metal does.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage")
            .field("name", &self.lifetime.name())
            .field("length", &self.length)
            .finish()
    }
}

impl Storage {
    fn new(
        device: &Device,
        base: NonNull<u8>,
        length: usize,
        options: MTLResourceOptions,
        backing: Backing,
    ) -> Self {
        let owner = device.accounts().clone();
        owner.add(allocated_size(length));
        counts::count(Count::Buffers);
        counts::add(Count::BufferBytes, length as u64);
        Self {
            lifetime: Lifetime::new("buffer", device.number()),
            base,
            length,
            untracked: hazard_mode(options) == MTLHazardTrackingMode::Untracked,
            options,
            backing,
            shadow: Shadow::new(),
            owner,
        }
    }

    /// The address of the byte at `offset`.
    pub(crate) fn address(&self, offset: usize) -> *mut u8 {
        self.base.as_ptr().wrapping_add(offset)
    }
}

impl Held for Storage {
    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    fn let_go(&self, others: bool) {
        self.owner.subtract(allocated_size(self.length));
        match &self.backing {
            Backing::Allocated(_) if others => {
                // SAFETY: the memory is this buffer's, and nobody may use its content any more.
                unsafe { self.base.as_ptr().write_bytes(POISON, self.length) };
            }
            Backing::Allocated(_) => {}
            Backing::Borrowed(deallocator) => {
                if let Some(deallocator) = deallocator {
                    deallocator.call((self.base.cast(), self.length));
                }
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Backing::Allocated(layout) = self.backing {
            // SAFETY: allocated with this layout, and dropped once.
            unsafe { std::alloc::dealloc(self.base.as_ptr(), layout) };
        }
    }
}

fn allocated_size(length: usize) -> usize {
    length.next_multiple_of(PAGE)
}

fn hazard_mode(options: MTLResourceOptions) -> MTLHazardTrackingMode {
    match (options.0 >> 8) & 3 {
        1 => MTLHazardTrackingMode::Untracked,
        // Buffers that no heap gave are tracked unless asked otherwise.
        _ => MTLHazardTrackingMode::Tracked,
    }
}

#[derive(Debug)]
pub(crate) struct BufferIvars {
    pub(crate) storage: Core<Storage>,
    device: Retained<Device>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLBuffer"]
    #[ivars = BufferIvars]
    #[derive(Debug)]
    pub(crate) struct Buffer;

    unsafe impl NSObjectProtocol for Buffer {}

    unsafe impl MTLAllocation for Buffer {
        #[unsafe(method(allocatedSize))]
        fn allocated_size_of(&self) -> usize {
            allocated_size(self.storage().length)
        }
    }

    unsafe impl MTLResource for Buffer {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.storage().lifetime.label.lock()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.storage().lifetime.label.lock() =
                label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method(cpuCacheMode))]
        fn cpu_cache_mode(&self) -> MTLCPUCacheMode {
            MTLCPUCacheMode(self.storage().options.0 & 0xf)
        }

        #[unsafe(method(storageMode))]
        fn storage_mode(&self) -> MTLStorageMode {
            MTLStorageMode((self.storage().options.0 >> 4) & 0xf)
        }

        #[unsafe(method(hazardTrackingMode))]
        fn hazard_tracking_mode(&self) -> MTLHazardTrackingMode {
            hazard_mode(self.storage().options)
        }

        #[unsafe(method(resourceOptions))]
        fn resource_options(&self) -> MTLResourceOptions {
            self.storage().options
        }

        #[unsafe(method(setPurgeableState:))]
        fn set_purgeable_state(&self, _state: MTLPurgeableState) -> MTLPurgeableState {
            MTLPurgeableState::NonVolatile
        }
    }

    unsafe impl MTLBuffer for Buffer {
        #[unsafe(method(length))]
        fn length(&self) -> usize {
            self.storage().length
        }

        #[unsafe(method(contents))]
        fn contents(&self) -> NonNull<c_void> {
            let mode = (self.storage().options.0 >> 4) & 0xf;
            if mode == MTLStorageMode::Private.0 || mode == MTLStorageMode::Memoryless.0 {
                rules::fail(
                    "-[MTLDebugBuffer contents]",
                    "buffers with private or memoryless storage have no contents",
                );
            }
            self.storage().base.cast()
        }

        #[unsafe(method(didModifyRange:))]
        fn did_modify_range(&self, _range: NSRange) {
            rules::fail(
                "-[MTLDebugBuffer didModifyRange:]",
                "didModifyRange: is for buffers with MTLStorageModeManaged, which this device does not have",
            );
        }

        #[unsafe(method(gpuAddress))]
        fn gpu_address(&self) -> u64 {
            self.storage().base.as_ptr() as u64
        }

        #[unsafe(method(addDebugMarker:range:))]
        fn add_debug_marker(&self, _marker: &NSString, range: NSRange) {
            if range
                .location
                .checked_add(range.length)
                .is_none_or(|end| end > self.storage().length)
            {
                rules::fail(
                    "-[MTLDebugBuffer addDebugMarker:range:]",
                    format_args!(
                        "range.location({}) + range.length({}) must be <= buffer length ({})",
                        range.location,
                        range.length,
                        self.storage().length
                    ),
                );
            }
        }

        #[unsafe(method(removeAllDebugMarkers))]
        fn remove_all_debug_markers(&self) {}
    }
);

// SAFETY: what it holds is behind locks, or memory whose accesses the program orders.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.ivars().storage.0
    }

    fn over(device: &Device, storage: Storage) -> Retained<Self> {
        let ivars = BufferIvars {
            storage: Core::new(storage),
            device: device.retain(),
            _live: Live::new(Class::Buffer),
        };
        make::<Buffer>(ivars)
    }

    /// A new buffer of `length` bytes, all zero. Nothing if there is no memory.
    pub(crate) fn allocate(
        device: &Device,
        length: usize,
        options: MTLResourceOptions,
    ) -> Option<Retained<Self>> {
        let layout = Layout::from_size_align(allocated_size(length), PAGE).ok()?;
        // SAFETY: the layout is not empty, because the length is not.
        let base = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
        Some(Self::over(
            device,
            Storage::new(device, base, length, options, Backing::Allocated(layout)),
        ))
    }

    /// A buffer over the program's own pages.
    pub(crate) fn borrow(
        device: &Device,
        base: NonNull<c_void>,
        length: usize,
        options: MTLResourceOptions,
        deallocator: Option<Deallocator>,
    ) -> Retained<Self> {
        Self::over(
            device,
            Storage::new(
                device,
                base.cast(),
                length,
                options,
                Backing::Borrowed(deallocator),
            ),
        )
    }
}
