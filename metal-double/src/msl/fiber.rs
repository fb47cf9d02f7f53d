//! Stacks, and the switch from one to another: six registers on x86-64, no system call.

use std::io;
use std::ptr;

use super::abi::{Fiber, STACK_BYTES};

/// Stacks of one mapping.
const STACKS_PER_MAPPING: usize = 64;
const PAGE: usize = 4096;
/// Fibers and the tops of their stacks lie at different lines of the caches, by the stack's number.
const COLORS: usize = 64;
const LINE: usize = 64;

/// Leaves the running context in `*save` and goes on where `to` was left.
///
/// # Safety
/// `to` was written by this function or by [`Stacks::prepare`], and has not been gone on with since.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub unsafe extern "C" fn switch(save: *mut *mut u8, to: *mut u8) {
    core::arch::naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    core::arch::naked_asm!("mov rdi, rbx", "call r12", "ud2")
}

/// Leaves the running context in `*save` and goes on where `to` was left.
///
/// # Safety
/// `to` was written by this function or by [`Stacks::prepare`], and has not been gone on with since.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub unsafe extern "C" fn switch(save: *mut *mut u8, to: *mut u8) {
    core::arch::naked_asm!(
        "sub sp, sp, #160",
        "stp x19, x20, [sp]",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov sp, x1",
        "ldp x19, x20, [sp]",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "add sp, sp, #160",
        "ret",
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    core::arch::naked_asm!("mov x0, x19", "blr x20", "brk #1")
}

/// Fibers' stacks, kept for the next run.
#[derive(Default)]
pub struct Stacks {
    mappings: Vec<*mut u8>,
    all: Vec<*mut Fiber>,
}

impl Stacks {
    /// Every fiber that exists.
    pub fn all(&self) -> &[*mut Fiber] {
        &self.all
    }

    /// Makes more fibers; they are not prepared yet.
    ///
    /// # Errors
    /// The system's, if it gives no memory.
    pub fn grow(&mut self) -> io::Result<&[*mut Fiber]> {
        let length = (STACKS_PER_MAPPING + 1) * STACK_BYTES;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping touches nothing that exists.
        let mapping = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = mapping.cast::<u8>();
        self.mappings.push(mapping);
        let skip = mapping.align_offset(STACK_BYTES);
        let first = self.all.len();
        for at in 0..STACKS_PER_MAPPING {
            // SAFETY: the mapping has room for one stack more than is used, so that alignment fits.
            let base = unsafe { mapping.add(skip + at * STACK_BYTES) };
            // SAFETY: the second page of the stack lies in the mapping; nothing uses it.
            let guarded = unsafe { libc::mprotect(base.add(PAGE).cast(), PAGE, libc::PROT_NONE) };
            if guarded != 0 {
                return Err(io::Error::last_os_error());
            }
            let color = base as usize / STACK_BYTES % COLORS;
            // SAFETY: a line of the stack's first page.
            self.all.push(unsafe { base.add(color * LINE) }.cast());
        }
        Ok(&self.all[first..])
    }

    /// Has the fiber begin anew with `main` when it is switched to.
    ///
    /// # Safety
    /// The fiber comes from these stacks and is not running.
    pub unsafe fn prepare(fiber: *mut Fiber, main: unsafe extern "C" fn(*mut Fiber)) {
        let offset = fiber as usize % STACK_BYTES;
        let height = STACK_BYTES - offset - offset / LINE * 5 * LINE;
        // SAFETY: below the end of the stack, which begins `offset` before its fiber.
        let top = unsafe { fiber.cast::<u8>().add(height) }.cast::<usize>();
        #[cfg(target_arch = "x86_64")]
        let frame = [
            0,
            0,
            0,
            main as *const () as usize,
            fiber as usize,
            0,
            begin as *const () as usize,
            0,
        ];
        #[cfg(target_arch = "aarch64")]
        let frame = {
            let mut frame = [0; 20];
            frame[0] = fiber as usize;
            frame[1] = main as *const () as usize;
            frame[11] = begin as *const () as usize;
            frame
        };
        // x86-64 begins with the stack aligned, below a word that ends the chain of frames.
        let used = if cfg!(target_arch = "x86_64") {
            frame.len() + 1
        } else {
            frame.len()
        };
        // SAFETY: the top of the stack is writable and not in use.
        unsafe {
            let at = top.sub(used);
            ptr::copy_nonoverlapping(frame.as_ptr(), at, frame.len());
            (*fiber).stack_pointer = at.cast();
        }
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        for mapping in &self.mappings {
            // SAFETY: mapped by `grow` with this length; no fiber runs once the stacks are dropped.
            unsafe { libc::munmap(mapping.cast(), (STACKS_PER_MAPPING + 1) * STACK_BYTES) };
        }
    }
}
