//! Ends kernels that do not end: a timer on the thread's processor time, whose signal leaves the
//! kernel's stack for good.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Once;
use std::time::Duration;

/// Processor time that a run may take where METAL_DOUBLE_SECONDS says nothing.
const LIMIT: Duration = Duration::from_secs(30);

thread_local! {
    static TIMER: Timer = Timer::new();
    static WATCHED: Cell<*mut Watched> = const { Cell::new(ptr::null_mut()) };
}

/// What the signal looks at. Only this thread touches it.
pub struct Watched {
    /// The run is in a kernel's own code, which holds no locks and owns nothing.
    pub in_kernel: Cell<bool>,
    /// The time is over.
    pub expired: Cell<bool>,
    /// Leaves the kernel that `context` runs, if it is on its own stack.
    pub leave: unsafe fn(context: *mut c_void),
    pub context: *mut c_void,
}

struct Timer(Option<libc::timer_t>);

impl Timer {
    fn new() -> Self {
        install();
        // SAFETY: all-zero is a value of this plain structure.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal();
        // SAFETY: gettid has no preconditions.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = ptr::null_mut();
        // SAFETY: both pointers are to locals; the timer is deleted with this value.
        let made = unsafe {
            libc::timer_create(
                libc::CLOCK_THREAD_CPUTIME_ID,
                &raw mut event,
                &raw mut timer,
            )
        };
        Self((made == 0).then_some(timer))
    }

    /// Zero stops the timer.
    fn set(&self, time: Duration) {
        let Some(timer) = self.0 else { return };
        let value = libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(time.subsec_nanos()),
        };
        // Again and again, because a signal within the host's own code only leaves a note.
        let interval = libc::timespec {
            tv_sec: 0,
            tv_nsec: if time.is_zero() { 0 } else { 10_000_000 },
        };
        let setting = libc::itimerspec {
            it_interval: interval,
            it_value: value,
        };
        // SAFETY: the timer exists until this value is dropped.
        unsafe { libc::timer_settime(timer, 0, &raw const setting, ptr::null_mut()) };
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(timer) = self.0 {
            // SAFETY: created by `new` and deleted once.
            unsafe { libc::timer_delete(timer) };
        }
    }
}

fn signal() -> libc::c_int {
    libc::SIGRTMIN() + 9
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: all-zero is a value of this plain structure.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as *const () as usize;
        // NODEFER, because the handler may be left by a switch of stacks.
        action.sa_flags = libc::SA_RESTART | libc::SA_NODEFER;
        // SAFETY: the handler only touches the thread's own plain cells.
        unsafe { libc::sigaction(signal(), &raw const action, ptr::null_mut()) };
    });
}

extern "C" fn handle(_: libc::c_int) {
    let watched = WATCHED.get();
    if watched.is_null() {
        return;
    }
    // SAFETY: set by `guarded` for as long as the value lives.
    unsafe {
        (*watched).expired.set(true);
        if (*watched).in_kernel.get() {
            ((*watched).leave)((*watched).context);
        }
    }
}

/// Runs something that a signal may interrupt once the time is over.
pub fn guarded<T>(watched: *mut Watched, work: impl FnOnce() -> T) -> T {
    WATCHED.set(watched);
    TIMER.with(|timer| timer.set(limit()));
    let result = work();
    TIMER.with(|timer| timer.set(Duration::ZERO));
    WATCHED.set(ptr::null_mut());
    result
}

/// The processor time that a run may take.
pub fn limit() -> Duration {
    let named = std::env::var("METAL_DOUBLE_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    named
        .and_then(|seconds| Duration::try_from_secs_f32(seconds).ok())
        .unwrap_or(LIMIT)
}
