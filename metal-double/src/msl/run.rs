//! Runs a grid: one threadgroup after the other, one fiber per thread that has to wait.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use super::abi::{Dispatch, Fiber, Host, LANES, Thread, WAIT_SIMDGROUP};
use super::arena::Arena;
use super::fiber::{Stacks, switch};
use super::order::Order;
use super::{Arguments, Grid, Watch};

type Entry = unsafe extern "C" fn(*const Thread);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    Ready,
    Simdgroup { site: u32 },
    Threadgroup { site: u32 },
    Done,
}

/// One run. The shim knows it as its `Host`.
#[repr(C)]
struct Run<'a, 'w> {
    host: Host,
    home: *mut u8,
    entry: Entry,
    threads: Vec<Thread>,
    states: Vec<State>,
    fibers: Vec<*mut Fiber>,
    free: Vec<*mut Fiber>,
    /// Threads of the current simdgroup in the order of their turns, and how many have begun.
    turns: Vec<u32>,
    begun: usize,
    order: Order,
    stacks: &'a mut Stacks,
    arena: &'a mut Arena,
    watch: Option<&'w mut (dyn Watch + 'w)>,
}

thread_local! {
    static KEPT: RefCell<(Stacks, Option<Arena>)> = RefCell::new((Stacks::default(), None));
}

/// Runs all threadgroups of a grid.
///
/// # Safety
/// `entry` is a kernel's, and the arguments are memory as it declares them.
pub unsafe fn run<'w>(
    entry: Entry,
    grid: &Grid,
    arguments: &Arguments,
    watch: Option<&'w mut (dyn Watch + 'w)>,
) -> Result<(), String> {
    KEPT.with_borrow_mut(|(stacks, arena)| {
        let arena = arena.get_or_insert_with(Arena::new);
        arena.clear();
        let mut threadgroup = [ptr::null_mut(); 31];
        let mut argument_regions = 0;
        for (index, &length) in arguments.threadgroup.iter().enumerate() {
            if length > 0 {
                threadgroup[index] =
                    arena.add(length, 256, format!("threadgroup memory at index {index}"));
                if threadgroup[index].is_null() {
                    return Err(format!(
                        "threadgroup memory at index {index}: no room for {length} bytes"
                    ));
                }
                argument_regions += 1;
            }
        }
        let (unwatched, unwatched_length) = arena.range();
        let free = stacks.all().to_vec();
        for &fiber in &free {
            // SAFETY: no run is under way on this thread, so no fiber runs.
            unsafe { Stacks::prepare(fiber, main) };
        }
        let mut run = Run {
            host: Host {
                wait,
                threadgroup_variable,
                access,
                unwatched,
                unwatched_length,
            },
            home: ptr::null_mut(),
            entry,
            threads: Vec::new(),
            states: Vec::new(),
            fibers: Vec::new(),
            free,
            turns: Vec::new(),
            begun: 0,
            order: Order::from_environment(),
            stacks,
            arena,
            watch,
        };
        let mut dispatch = Dispatch {
            buffers: arguments.buffers,
            threadgroup,
            threads_per_threadgroup: grid.threads_per_group,
            dispatch_threads_per_threadgroup: grid.threads_per_group,
            threadgroups_per_grid: grid.groups,
            threads_per_grid: grid.threads(),
            threadgroup_position: [0; 3],
            simdgroups: 0,
        };
        for z in 0..grid.groups[2] {
            for y in 0..grid.groups[1] {
                for x in 0..grid.groups[0] {
                    dispatch.threadgroup_position = [x, y, z];
                    dispatch.threads_per_threadgroup = grid.threads_of_group([x, y, z]);
                    run.arena.begin(argument_regions);
                    // SAFETY: as of this function.
                    unsafe { run.group(&mut dispatch) }
                        .map_err(|problem| format!("threadgroup ({x}, {y}, {z}): {problem}"))?;
                }
            }
        }
        Ok(())
    })
}

impl Run<'_, '_> {
    unsafe fn group(&mut self, dispatch: &mut Dispatch) -> Result<(), String> {
        self.place_threads(dispatch);
        let simdgroups = dispatch.simdgroups as usize;
        let turns = self.order.permutation(simdgroups);
        let mut first = true;
        loop {
            for &simdgroup in &turns {
                // SAFETY: as of this function.
                unsafe { self.simdgroup(simdgroup as usize, first)? };
            }
            first = false;
            if !self.pass_barrier()? {
                break;
            }
        }
        self.arena.overrun().map_or(Ok(()), Err)
    }

    fn place_threads(&mut self, dispatch: &mut Dispatch) {
        let [width, height, depth] = dispatch.threads_per_threadgroup;
        let count = (width * height * depth) as usize;
        dispatch.simdgroups = count.div_ceil(LANES) as u32;
        self.threads.clear();
        for index in 0..count {
            let simdgroup = index / LANES;
            let at = index as u32;
            self.threads.push(Thread {
                dispatch,
                exchange: self.arena.exchange(simdgroup),
                position: [at % width, at / width % height, at / width / height],
                index: at,
                lane: (index % LANES) as u32,
                simdgroup: simdgroup as u32,
                lanes: (count - simdgroup * LANES).min(LANES) as u32,
                parity: 0,
            });
        }
        self.states.clear();
        self.states.resize(count, State::New);
        self.fibers.clear();
        self.fibers.resize(count, ptr::null_mut());
    }

    /// Runs the threads of a simdgroup until all of them are done or at a barrier.
    unsafe fn simdgroup(&mut self, simdgroup: usize, first: bool) -> Result<(), String> {
        let start = simdgroup * LANES;
        let lanes = (self.threads.len() - start).min(LANES);
        self.turns.clear();
        self.turns.extend(
            self.order
                .permutation(lanes)
                .iter()
                .map(|&lane| start as u32 + lane),
        );
        self.begun = if first { 0 } else { lanes };
        while self.begun < lanes {
            let thread = self.turns[self.begun] as usize;
            self.begun += 1;
            // SAFETY: as of this function.
            unsafe { self.start(thread)? };
        }
        loop {
            for turn in 0..lanes {
                let thread = self.turns[turn] as usize;
                if self.states[thread] == State::Ready {
                    // SAFETY: a ready thread was left by `wait`, on its fiber.
                    unsafe { self.go_on(self.fibers[thread]) };
                }
            }
            let states = &mut self.states[start..start + lanes];
            let waiting = states
                .iter()
                .filter(|s| matches!(s, State::Simdgroup { .. }))
                .count();
            if waiting == 0 {
                return Ok(());
            }
            let met = states.iter().all(|s| *s == states[0]);
            if !met {
                return Err(divergence(simdgroup, states));
            }
            states.fill(State::Ready);
        }
    }

    /// Lets the threads past the barrier at which all of them wait. False if all are done.
    fn pass_barrier(&mut self) -> Result<bool, String> {
        let first = self.states.first().copied().unwrap_or(State::Done);
        if let Some(at) = self.states.iter().position(|s| *s != first) {
            return Err(format!(
                "threadgroup_barrier not reached by every thread: thread 0 {}, thread {at} {}",
                told(first),
                told(self.states[at])
            ));
        }
        self.states.fill(State::Ready);
        Ok(first != State::Done)
    }

    unsafe fn start(&mut self, thread: usize) -> Result<(), String> {
        if self.free.is_empty() {
            let more = self
                .stacks
                .grow()
                .map_err(|e| format!("no memory for the stacks of threads: {e}"))?;
            for &fiber in more {
                // SAFETY: a new fiber does not run.
                unsafe { Stacks::prepare(fiber, main) };
                self.free.push(fiber);
            }
        }
        let Some(fiber) = self.free.pop() else {
            return Err("no stack for a thread".to_owned());
        };
        // SAFETY: a free fiber does not run; its header is this run's alone.
        unsafe {
            (*fiber).thread = &raw mut self.threads[thread];
            (*fiber).host = (&raw mut *self).cast();
            self.go_on(fiber);
        }
        Ok(())
    }

    unsafe fn go_on(&mut self, fiber: *mut Fiber) {
        // SAFETY: the fiber was left by `switch` or prepared; it comes back through `home`.
        unsafe { switch(&raw mut self.home, (*fiber).stack_pointer) };
    }
}

/// What a fiber does: run a thread, then any other that has not begun, then wait to be used again.
unsafe extern "C" fn main(fiber: *mut Fiber) {
    loop {
        // SAFETY: the run that switched here outlives the switch; it does not touch itself meanwhile.
        unsafe {
            let run = (*fiber).host.cast::<Run<'static, 'static>>();
            let thread = (*fiber).thread;
            ((*run).entry)(thread);
            let states = &mut (*run).states;
            states[(*thread).index as usize] = State::Done;
            if (*run).begun < (*run).turns.len() {
                let next = (&(*run).turns)[(*run).begun] as usize;
                (*run).begun += 1;
                (*fiber).thread = &raw mut (&mut (*run).threads)[next];
            } else {
                (*run).free.push(fiber);
                switch(&raw mut (*fiber).stack_pointer, (*run).home);
            }
        }
    }
}

unsafe extern "C" fn wait(fiber: *mut Fiber, kind: u32, site: u32) {
    // SAFETY: called by a kernel on its fiber, whose run waits in `go_on`.
    unsafe {
        let run = (*fiber).host.cast::<Run<'static, 'static>>();
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
        let run = (*fiber).host.cast::<Run<'static, 'static>>();
        (*run)
            .arena
            .variable(id, size as usize, align as usize)
            .cast()
    }
}

unsafe extern "C" fn access(fiber: *mut Fiber, address: *mut c_void, length: u64, flags: u32) {
    // SAFETY: called by a kernel on its fiber, whose run waits in `go_on`.
    unsafe {
        let run = (*fiber).host.cast::<Run<'static, 'static>>();
        if let Some(watch) = &mut (*run).watch {
            watch.access(
                address as usize,
                length as usize,
                flags & 1 != 0,
                flags & 2 != 0,
            );
        }
    }
}

fn told(state: State) -> String {
    match state {
        State::New | State::Ready => "has not come there".to_owned(),
        State::Simdgroup { site } => format!("is at the simdgroup operation of line {site}"),
        State::Threadgroup { site } => format!("waits at the barrier of line {site}"),
        State::Done => "has returned".to_owned(),
    }
}

fn divergence(simdgroup: usize, states: &[State]) -> String {
    let at = states
        .iter()
        .position(|s| matches!(s, State::Simdgroup { .. }))
        .unwrap_or(0);
    let other = states.iter().position(|s| *s != states[at]).unwrap_or(0);
    format!(
        "simdgroup operation in divergent control flow: in simdgroup {simdgroup}, lane {at} {}, lane {other} {}",
        told(states[at]),
        told(states[other])
    )
}
