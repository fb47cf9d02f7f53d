//! Faults on demand: what will fail next.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use parking_lot::Mutex;

/// Calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Call {
    /// `newBuffer...` returns nil.
    Buffer = 0,
    /// `newLibraryWithSource...` returns an error.
    Library = 1,
    /// `newComputePipelineState...` returns an error.
    Pipeline = 2,
    /// `newResidencySetWithDescriptor:error:` returns an error.
    ResidencySet = 3,
    /// `newCommandQueue...` returns nil.
    Queue = 4,
    /// `commandBuffer...` returns nil.
    CommandBuffer = 5,
    /// `newCounterSampleBufferWithDescriptor:error:` returns an error.
    CounterSampleBuffer = 6,
    /// `newIndirectCommandBufferWithDescriptor:...` returns nil.
    IndirectCommandBuffer = 7,
    /// `serializeToURL:error:` returns an error.
    Archive = 8,
}

static CALLS: [AtomicU32; 9] = [const { AtomicU32::new(0) }; 9];

/// An error that a command buffer is going to end with.
#[derive(Clone, Debug)]
pub struct CommandBufferFault {
    /// An `MTLCommandBufferError`.
    pub code: usize,
    /// The error's description.
    pub text: String,
}

static COMMAND_BUFFERS: Mutex<VecDeque<CommandBufferFault>> = Mutex::new(VecDeque::new());

/// The call of this name, if there is one.
pub(crate) fn call_named(name: &str) -> Option<Call> {
    Some(match name {
        "buffer" => Call::Buffer,
        "library" => Call::Library,
        "pipeline" => Call::Pipeline,
        "residency" => Call::ResidencySet,
        "queue" => Call::Queue,
        "command_buffer" => Call::CommandBuffer,
        "counters" => Call::CounterSampleBuffer,
        "icb" => Call::IndirectCommandBuffer,
        "archive" => Call::Archive,
        _ => return None,
    })
}

/// Makes the next `times` such calls fail.
pub(crate) fn fail_next(call: Call, times: u32) {
    CALLS[call as usize].store(times, SeqCst);
}

/// Whether this call is one that was asked to fail.
pub(crate) fn strikes(call: Call) -> bool {
    let left = &CALLS[call as usize];
    left.load(SeqCst) > 0
        && left
            .fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1))
            .is_ok()
}

/// Makes the next command buffer that is committed end with this error.
pub(crate) fn fail_next_command_buffer(fault: CommandBufferFault) {
    COMMAND_BUFFERS.lock().push_back(fault);
}

/// The error that a command buffer committed now is to end with.
pub(crate) fn take_command_buffer_fault() -> Option<CommandBufferFault> {
    COMMAND_BUFFERS.lock().pop_front()
}

/// Forgets what was to fail.
pub(crate) fn clear() {
    for left in &CALLS {
        left.store(0, SeqCst);
    }
    COMMAND_BUFFERS.lock().clear();
}
