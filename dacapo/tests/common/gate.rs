//! Submissions that wait until a test lets them go on.
#![allow(
    unsafe_code,
    reason = "kernels write their part of a buffer, and a semaphore"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dacapo::vulkan::{self, ash::vk};
use dacapo::{
    Access, Backend, Buffer, Bytes, CommandEncoder, Device, Grid, KernelFault, KernelSource,
    Result, Wgsl, Workgroup,
};
use std::sync::Mutex;

const GATES: usize = 256;
static OPEN: [AtomicBool; GATES] = [const { AtomicBool::new(false) }; GATES];
static ENTERED: [AtomicBool; GATES] = [const { AtomicBool::new(false) }; GATES];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Holds a submission up until it is opened or dropped.
pub(crate) struct Gate {
    number: usize,
    semaphores: Mutex<Vec<Semaphore>>,
}

/// What a GPU's queue waits for. Everything behind it on the queue waits too, also new buffers where they are cleared
/// there.
enum Semaphore {
    Vulkan(VulkanSemaphore),
    #[cfg(any(target_vendor = "apple", dacapo_metal_double))]
    Metal(metal::Event),
}

impl Semaphore {
    /// Makes the queue wait.
    fn submit(device: &Device) -> Semaphore {
        #[cfg(any(target_vendor = "apple", dacapo_metal_double))]
        if device.info().backend == Backend::Metal {
            return Semaphore::Metal(metal::Event::submit(device));
        }
        Semaphore::Vulkan(VulkanSemaphore::submit(device))
    }

    fn open(&self) {
        match self {
            Semaphore::Vulkan(semaphore) => semaphore.open(),
            #[cfg(any(target_vendor = "apple", dacapo_metal_double))]
            Semaphore::Metal(event) => event.open(),
        }
    }
}

#[cfg(any(target_vendor = "apple", dacapo_metal_double))]
mod metal {
    use dacapo::Device;
    use dacapo::metal::handles;
    use dacapo::metal::objc2::rc::{Retained, autoreleasepool};
    use dacapo::metal::objc2::runtime::ProtocolObject;
    use dacapo::metal::objc2_metal::{
        MTLCommandBuffer, MTLCommandQueue, MTLDevice, MTLSharedEvent,
    };

    pub(super) struct Event(Retained<ProtocolObject<dyn MTLSharedEvent>>);

    // SAFETY: events are what threads share.
    unsafe impl Send for Event {}

    impl Event {
        pub(super) fn submit(device: &Device) -> Event {
            let handles = handles(device).unwrap();
            autoreleasepool(|_| {
                let event = handles.device.newSharedEvent().unwrap();
                let commands = handles.queue.commandBuffer().unwrap();
                commands.encodeWaitForEvent_value(ProtocolObject::from_ref(&*event), 1);
                commands.commit();
                Event(event)
            })
        }

        pub(super) fn open(&self) {
            self.0.setSignaledValue(1);
        }
    }
}

struct VulkanSemaphore {
    device: Device,
    raw: vk::Semaphore,
}

impl VulkanSemaphore {
    fn submit(device: &Device) -> VulkanSemaphore {
        let handles = vulkan::handles(device).unwrap();
        let mut kind =
            vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
        let info = vk::SemaphoreCreateInfo::default().push_next(&mut kind);
        // SAFETY: the device is alive and has timeline semaphores.
        let raw = unsafe { handles.device.create_semaphore(&info, None) }.unwrap();
        let (semaphores, values) = ([raw], [1]);
        let mut timeline =
            vk::TimelineSemaphoreSubmitInfo::default().wait_semaphore_values(&values);
        let info = vk::SubmitInfo::default()
            .wait_semaphores(&semaphores)
            .wait_dst_stage_mask(&[vk::PipelineStageFlags::ALL_COMMANDS])
            .push_next(&mut timeline);
        // SAFETY: the queue is locked, and the semaphore lives until it has passed.
        let submit = |queue| unsafe {
            handles
                .device
                .queue_submit(queue, &[info], vk::Fence::null())
        };
        vulkan::with_queue(device, submit).unwrap().unwrap();
        VulkanSemaphore {
            device: device.clone(),
            raw,
        }
    }

    fn open(&self) {
        let handles = vulkan::handles(&self.device).unwrap();
        let info = vk::SemaphoreSignalInfo::default()
            .semaphore(self.raw)
            .value(1);
        // SAFETY: the semaphore is alive and has the value 0.
        unsafe { handles.device.signal_semaphore(&info) }.unwrap();
    }
}

impl Drop for VulkanSemaphore {
    fn drop(&mut self) {
        let handles = vulkan::handles(&self.device).unwrap();
        // SAFETY: the queue is locked, and has passed the semaphore once it is idle.
        let idle = |queue| unsafe { handles.device.queue_wait_idle(queue) };
        let _ = vulkan::with_queue(&self.device, idle);
        // SAFETY: as above.
        unsafe { handles.device.destroy_semaphore(self.raw, None) };
    }
}

impl Gate {
    pub(crate) fn new() -> Gate {
        let gate = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(
            gate < GATES,
            "more gates than the tests of one program need"
        );
        Gate {
            number: gate,
            semaphores: Mutex::default(),
        }
    }

    pub(crate) fn open(&self) {
        OPEN[self.number].store(true, Ordering::SeqCst);
        let semaphores = std::mem::take(&mut *self.semaphores.lock().unwrap());
        semaphores.iter().for_each(Semaphore::open);
    }

    /// Waits until a kernel has reached the gate.
    pub(crate) fn wait_entered(&self) {
        // A GPU's queue waits from the start.
        while self.semaphores.lock().unwrap().is_empty()
            && !ENTERED[self.number].load(Ordering::SeqCst)
        {
            std::thread::yield_now();
        }
    }

    /// Encodes a dispatch that waits for the gate, then sets every element to `value`. A GPU stops at once.
    pub(crate) fn hold(
        &self,
        encoder: &mut CommandEncoder,
        target: &Buffer,
        value: u32,
    ) -> Result<()> {
        let kernel = encoder.device().kernel(
            &KernelSource::new("hold")
                .binding::<u32>(0, Access::Write)
                .inline::<[u32; 2]>()
                .cpu(hold)
                .wgsl(Wgsl::new(SET)),
        )?;
        let params = [self.number as u32, value];
        let device = encoder.device();
        if device.info().backend == Backend::Reference {
            block(&device, self.number)?;
        } else if device.gpu().is_some() {
            self.semaphores
                .lock()
                .unwrap()
                .push(Semaphore::submit(&device));
        }
        encoder.dispatch(&kernel, (target, Bytes(&params)), Grid::groups([1, 1, 1]))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// Memory that is given back when a gate opens, not before.
struct Late(usize);

#[repr(align(4))]
struct Word([u8; 4]);

impl AsRef<[u8]> for Late {
    fn as_ref(&self) -> &[u8] {
        static WORD: Word = Word([0; 4]);
        &WORD.0
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        ENTERED[self.0].store(true, Ordering::SeqCst);
        while !OPEN[self.0].load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
}

/// Makes the interpreter's queue wait: for memory that nobody but its last submission has.
fn block(device: &Device, gate: usize) -> Result<()> {
    let source = KernelSource::new("block")
        .binding::<u32>(0, Access::Read)
        .wgsl(Wgsl::new(NOTHING));
    let kernel = device.kernel(&source)?;
    let memory = device.import("late", Late(gate))?;
    let mut encoder = device.encoder("block")?;
    encoder.dispatch(&kernel, (&memory,), Grid::groups([1, 1, 1]))?;
    drop(memory);
    encoder.commit().map(drop)
}

const NOTHING: &str = "
@group(0) @binding(0) var<storage, read> data: array<u32>;
@compute @workgroup_size(1) fn main() {}";

fn hold(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let [gate, value] = group.inline::<[u32; 2]>();
    ENTERED[gate as usize].store(true, Ordering::SeqCst);
    while !OPEN[gate as usize].load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let len = group.len::<u32>(0);
    // SAFETY: there is one workgroup.
    unsafe { group.write::<u32>(0, 0..len) }.fill(value);
    Ok(())
}

const SET: &str = "
struct P { gate: u32, value: u32 }
var<immediate> p: P;
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) first: u32) {
    for (var at = first; at < arrayLength(&data); at += 64) { data[at] = p.value; }
}";
