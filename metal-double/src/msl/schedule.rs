//! The turns of a threadgroup's threads. A thread has a fiber from when it begins; one that never
//! waits leaves its fiber to the next, so that a kernel without barriers is a plain loop.
//!
//! Kernels call back into the run that switched to them. Nothing here therefore holds a reference
//! to the run, or to a part of it, over a switch: it is reached by pointer.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use super::Watch;
use super::abi::{Fiber, Host, LANES, STACK_BYTES, Thread, WAIT_SIMDGROUP};
use super::arena::Arena;
use super::fiber::{Stacks, switch};
use super::order::Order;
use super::state::{State, divergence, pass_barrier};
use super::watchdog::{self, Watched};

/// A kernel as its object exports it.
pub type Entry = unsafe extern "C" fn(*const Thread);

/// One run. The shim knows it as its `Host`.
#[repr(C)]
struct Inner<'w> {
    host: Host,
    watched: Watched,
    home: *mut u8,
    /// The fiber that runs, or was the last to.
    current: *mut Fiber,
    entry: Entry,
    threads: Vec<Thread>,
    states: Vec<State>,
    fibers: Vec<*mut Fiber>,
    free: Vec<*mut Fiber>,
    /// The threads in the order of their turns, simdgroup by simdgroup.
    turns: Vec<u32>,
    /// The turn after those of the threads that have begun, and the end of the current simdgroup's.
    begun: usize,
    end: usize,
    order: Order,
    stacks: Stacks,
    watch: Option<&'w mut (dyn Watch + 'w)>,
}

/// A run: what its kernels share with the host, and the memory of its threadgroups.
pub struct Run<'w> {
    inner: *mut Inner<'w>,
    /// Boxed, because kernels' callbacks reach it, too.
    pub arena: Box<Arena>,
}

impl<'w> Run<'w> {
    /// A run that has not begun.
    pub fn new(
        entry: Entry,
        stacks: Stacks,
        arena: Arena,
        watch: Option<&'w mut (dyn Watch + 'w)>,
    ) -> Self {
        let mut arena = Box::new(arena);
        let (unwatched, unwatched_length) = arena.range();
        let free = stacks.all().to_vec();
        for &fiber in &free {
            // SAFETY: nobody else has these stacks, and none of their fibers runs.
            unsafe { Stacks::prepare(fiber, main) };
        }
        let inner = Box::into_raw(Box::new(Inner {
            host: Host {
                wait,
                threadgroup_variable,
                access,
                unwatched,
                unwatched_length,
                arena: &raw mut *arena,
            },
            watched: Watched {
                in_kernel: Cell::new(false),
                expired: Cell::new(false),
                leave,
                context: ptr::null_mut(),
            },
            home: ptr::null_mut(),
            current: ptr::null_mut(),
            entry,
            threads: Vec::new(),
            states: Vec::new(),
            fibers: Vec::new(),
            free,
            turns: Vec::new(),
            begun: 0,
            end: 0,
            order: Order::from_environment(),
            stacks,
            watch,
        }));
        // SAFETY: just made.
        unsafe { (*inner).watched.context = inner.cast() };
        Self { inner, arena }
    }

    /// What the watchdog looks at.
    pub fn watched(&mut self) -> *mut Watched {
        // SAFETY: the run lives as long as `self`.
        unsafe { &raw mut (*self.inner).watched }
    }

    /// What the next run can use again.
    pub fn into_kept(self) -> (Stacks, Arena) {
        // SAFETY: made by `Box::into_raw`, and `self` is gone.
        let inner = unsafe { Box::from_raw(self.inner) };
        (inner.stacks, *self.arena)
    }

    /// Runs a threadgroup of these threads.
    ///
    /// # Safety
    /// The kernel is sound with the threads' dispatch.
    pub unsafe fn group(&mut self, threads: Vec<Thread>) -> Result<(), String> {
        let run = self.inner;
        let count = threads.len();
        let simdgroups = count.div_ceil(LANES);
        // SAFETY: the run is alive, and no kernel runs at this point.
        let turns = unsafe {
            let run = &mut *run;
            run.threads = threads;
            run.states.clear();
            run.states.resize(count, State::New);
            run.fibers.clear();
            run.fibers.resize(count, ptr::null_mut());
            run.turns.clear();
            for start in (0..count).step_by(LANES) {
                run.order
                    .permute(start, (count - start).min(LANES), &mut run.turns);
            }
            let mut simdgroup_turns = Vec::new();
            run.order.permute(0, simdgroups, &mut simdgroup_turns);
            simdgroup_turns
        };
        // SAFETY: as of this function.
        while unsafe { phase(run, &turns)? } {}
        self.arena.overrun().map_or(Ok(()), Err)
    }
}

/// All threads up to the next barrier. False if they are done.
unsafe fn phase(run: *mut Inner<'_>, turns: &[u32]) -> Result<bool, String> {
    for &simdgroup in turns {
        let start = simdgroup as usize * LANES;
        // SAFETY: of the caller's; no reference to the run is held.
        unsafe {
            begin(run, start)?;
            while meet(run, start)? {
                go_round(run, start)?;
            }
        }
    }
    // SAFETY: no kernel runs at this point.
    pass_barrier(unsafe { &mut (*run).states })
}

/// Gives every thread of a simdgroup its first turn, or its next after a barrier.
unsafe fn begin(run: *mut Inner<'_>, start: usize) -> Result<(), String> {
    // SAFETY: no kernel runs at this point.
    let (end, new) = unsafe {
        let run = &mut *run;
        run.end = run.threads.len().min(start + LANES);
        let new = run.states[start] == State::New;
        run.begun = if new { start } else { run.end };
        (run.end, new)
    };
    if !new {
        // SAFETY: of the caller's.
        return unsafe { go_round(run, start) };
    }
    // SAFETY: no reference to the run is held while a kernel runs.
    unsafe {
        while (*run).begun < end {
            let fiber = free_fiber(&mut *run)?;
            (*fiber).thread = next_new(run);
            (*fiber).host = run.cast();
            go_on(run, fiber)?;
        }
    }
    Ok(())
}

/// Gives every ready thread of the current simdgroup a turn.
unsafe fn go_round(run: *mut Inner<'_>, start: usize) -> Result<(), String> {
    // SAFETY: no reference to the run is held while a kernel runs.
    unsafe {
        for turn in start..(*run).end {
            let thread = (&(*run).turns)[turn] as usize;
            if (&(*run).states)[thread] == State::Ready {
                go_on(run, (&(*run).fibers)[thread])?;
            }
        }
    }
    Ok(())
}

/// Lets the lanes past the simdgroup operation at which all of them are. False if none is at one.
unsafe fn meet(run: *mut Inner<'_>, start: usize) -> Result<bool, String> {
    // SAFETY: no kernel runs at this point.
    let states = unsafe { &mut (&mut (*run).states)[start..] };
    let lanes = states.len().min(LANES);
    let states = &mut states[..lanes];
    let Some(waits) = states
        .iter()
        .find(|s| matches!(s, State::Simdgroup { .. }))
        .copied()
    else {
        return Ok(false);
    };
    if states.iter().any(|s| *s != waits) {
        return Err(divergence(start / LANES, states));
    }
    states.fill(State::Ready);
    Ok(true)
}

fn free_fiber(run: &mut Inner<'_>) -> Result<*mut Fiber, String> {
    if let Some(fiber) = run.free.pop() {
        return Ok(fiber);
    }
    let more = run
        .stacks
        .grow()
        .map_err(|e| format!("no memory for the stacks of threads: {e}"))?;
    for &fiber in more {
        // SAFETY: a new fiber does not run.
        unsafe { Stacks::prepare(fiber, main) };
    }
    run.free.extend_from_slice(more);
    run.free
        .pop()
        .ok_or_else(|| "no stack for a thread".to_owned())
}

/// Takes the next thread of the simdgroup that has not begun; there is one.
unsafe fn next_new(run: *mut Inner<'_>) -> *mut Thread {
    // SAFETY: the run is alive, and the references end here.
    unsafe {
        let run = &mut *run;
        let next = run.turns[run.begun] as usize;
        run.begun += 1;
        &raw mut run.threads[next]
    }
}

unsafe fn go_on(run: *mut Inner<'_>, fiber: *mut Fiber) -> Result<(), String> {
    // SAFETY: the fiber was left by `switch` or prepared; it comes back through `home`.
    unsafe {
        (*run).current = fiber;
        (*run).watched.in_kernel.set(true);
        switch(&raw mut (*run).home, (*fiber).stack_pointer);
        (*run).watched.in_kernel.set(false);
        if (*run).watched.expired.get() {
            return Err(format!(
                "the kernel does not end: stopped after {:?} of processor time",
                watchdog::limit()
            ));
        }
    }
    Ok(())
}

/// What a fiber does: run a thread, then any other that has not begun, then wait to be used again.
unsafe extern "C" fn main(fiber: *mut Fiber) {
    loop {
        // SAFETY: the run that switched here waits in `go_on`; references to it end before the next switch.
        unsafe {
            let run = (*fiber).host.cast::<Inner<'static>>();
            let thread = (*fiber).thread;
            ((*run).entry)(thread);
            (*run).watched.in_kernel.set(false);
            (&mut (*run).states)[(*thread).index as usize] = State::Done;
            if (*run).begun < (*run).end && !(*run).watched.expired.get() {
                (*fiber).thread = next_new(run);
                (*run).watched.in_kernel.set(true);
            } else {
                let free = &mut (*run).free;
                free.push(fiber);
                switch(&raw mut (*fiber).stack_pointer, (*run).home);
            }
        }
    }
}

unsafe extern "C" fn wait(fiber: *mut Fiber, kind: u32, site: u32) {
    // SAFETY: called by a kernel on its fiber, whose run waits in `go_on`.
    unsafe {
        let run = (*fiber).host.cast::<Inner<'static>>();
        (*run).watched.in_kernel.set(false);
        let index = (*(*fiber).thread).index as usize;
        (&mut (*run).states)[index] = if kind == WAIT_SIMDGROUP {
            State::Simdgroup { site }
        } else {
            State::Threadgroup { site }
        };
        (&mut (*run).fibers)[index] = fiber;
        switch(&raw mut (*fiber).stack_pointer, (*run).home);
    }
}

unsafe extern "C" fn threadgroup_variable(
    fiber: *mut Fiber,
    id: u32,
    size: u32,
    align: u32,
) -> *mut c_void {
    // SAFETY: called by a kernel on its fiber, whose run waits in `go_on`.
    unsafe {
        let run = (*fiber).host.cast::<Inner<'static>>();
        (*run).watched.in_kernel.set(false);
        let memory = (*(*run).host.arena).variable(id, size as usize, align as usize);
        (*run).watched.in_kernel.set(true);
        memory.cast()
    }
}

unsafe extern "C" fn access(fiber: *mut Fiber, address: *mut c_void, length: u64, flags: u32) {
    // SAFETY: called by a kernel on its fiber, whose run waits in `go_on`.
    unsafe {
        let run = (*fiber).host.cast::<Inner<'static>>();
        (*run).watched.in_kernel.set(false);
        if let Some(watch) = &mut (*run).watch {
            watch.access(
                address as usize,
                length as usize,
                flags & 1 != 0,
                flags & 2 != 0,
            );
        }
        (*run).watched.in_kernel.set(true);
        if (*run).watched.expired.get() {
            leave(run.cast());
        }
    }
}

/// Abandons the kernel whose stack this is called on; on any other stack it does nothing.
unsafe fn leave(context: *mut c_void) {
    let run = context.cast::<Inner<'static>>();
    let here = &raw const run as usize;
    // SAFETY: the run is alive; its fibers are prepared anew before they are used again.
    unsafe {
        if here / STACK_BYTES == (*run).current as usize / STACK_BYTES {
            (*run).watched.in_kernel.set(false);
            let mut abandoned = ptr::null_mut();
            switch(&raw mut abandoned, (*run).home);
        }
    }
}
