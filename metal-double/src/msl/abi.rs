//! What the shim and the host share; the mirror of `shim/run/thread.h` and `entry.h`.

use std::ffi::{c_char, c_void};

/// Bytes of a fiber's stack, and its alignment.
pub const STACK_BYTES: usize = 256 * 1024;
/// Threads of a simdgroup.
pub const LANES: usize = 32;

/// What a thread waits for.
pub const WAIT_SIMDGROUP: u32 = 1;
/// What a thread waits for.
pub const WAIT_THREADGROUP: u32 = 2;

/// `msl::Exchange`
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct Exchange(pub [[[u8; 32]; LANES]; 2]);

/// `msl::Dispatch`
#[repr(C)]
pub struct Dispatch {
    pub buffers: [*mut u8; 31],
    pub threadgroup: [*mut u8; 31],
    pub threads_per_threadgroup: [u32; 3],
    pub dispatch_threads_per_threadgroup: [u32; 3],
    pub threadgroups_per_grid: [u32; 3],
    pub threads_per_grid: [u32; 3],
    pub threadgroup_position: [u32; 3],
    pub simdgroups: u32,
}

/// `msl::Thread`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Thread {
    pub dispatch: *const Dispatch,
    pub exchange: *mut Exchange,
    pub position: [u32; 3],
    pub index: u32,
    pub lane: u32,
    pub simdgroup: u32,
    pub lanes: u32,
    pub parity: u32,
}

/// `msl::Host`
#[repr(C)]
pub struct Host {
    pub wait: unsafe extern "C" fn(*mut Fiber, u32, u32),
    pub threadgroup_variable: unsafe extern "C" fn(*mut Fiber, u32, u32, u32) -> *mut c_void,
    pub access: unsafe extern "C" fn(*mut Fiber, *mut c_void, u64, u32),
    pub unwatched: *mut u8,
    pub unwatched_length: u64,
}

/// `msl::Fiber`, and what only the host knows of it.
#[repr(C)]
pub struct Fiber {
    pub thread: *mut Thread,
    pub host: *mut Host,
    /// Where the fiber goes on, while it does not run.
    pub stack_pointer: *mut u8,
}

/// `msl::Kernel`
#[repr(C)]
pub struct Kernel {
    pub name: *const c_char,
    pub function: *const c_void,
    pub entry: Option<unsafe extern "C" fn(*const Thread)>,
    pub argument_sizes: *const u32,
    pub arguments: u32,
}

/// `msl::ThreadgroupVariable`
#[repr(C)]
pub struct ThreadgroupVariable {
    pub kernel: *const c_void,
    pub size: u64,
}
