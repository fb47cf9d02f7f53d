//! How long the memory behind an object lives, apart from the object itself.
//!
//! An object (a buffer, a pipeline) owns an `Arc` of its core. Command buffers note the cores they use and own an `Arc` of each
//! until they are done, so that what they point to stays readable. A command buffer with retained references also *holds* the
//! core: it stays valid. One with unretained references does not, and a core that nobody holds is `gone`: to run a command
//! that uses it is a mistake, which is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use parking_lot::Mutex;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that nothing else in the process has.
pub(crate) fn next_id() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// What every core has.
#[derive(Debug)]
pub(crate) struct Lifetime {
    pub(crate) id: u64,
    /// Number of the device that made it.
    pub(crate) device: u32,
    /// What it is, for reports.
    pub(crate) kind: &'static str,
    pub(crate) label: Mutex<String>,
    holders: AtomicUsize,
    gone: AtomicBool,
    /// The command buffer that noted it last.
    noted: AtomicU64,
}

impl Lifetime {
    /// Held by the object that is being made.
    pub(crate) fn new(kind: &'static str, device: u32) -> Self {
        Self {
            id: next_id(),
            device,
            kind,
            label: Mutex::new(String::new()),
            holders: AtomicUsize::new(1),
            gone: AtomicBool::new(false),
            noted: AtomicU64::new(0),
        }
    }

    /// Whether nobody holds it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// Its label, or its number.
    pub(crate) fn name(&self) -> String {
        let label = self.label.lock();
        if label.is_empty() {
            format!("{} {}", self.kind, self.id)
        } else {
            label.clone()
        }
    }
}

/// A core.
pub(crate) trait Held: Send + Sync {
    fn lifetime(&self) -> &Lifetime;

    /// Called when the last holder let go, while `others` other owners may still point to it.
    fn let_go(&self, _others: bool) {}
}

/// Lets go of one hold.
pub(crate) fn release(core: &Arc<impl Held + ?Sized>) {
    let lifetime = core.lifetime();
    if lifetime.holders.fetch_sub(1, SeqCst) == 1 {
        lifetime.gone.store(true, SeqCst);
        core.let_go(Arc::strong_count(core) > 1);
    }
}

/// The object's own hold: dropped with its instance variables.
#[derive(Debug)]
pub(crate) struct Core<T: Held>(pub(crate) Arc<T>);

impl<T: Held> Core<T> {
    pub(crate) fn new(core: T) -> Self {
        Self(Arc::new(core))
    }
}

impl<T: Held> Drop for Core<T> {
    fn drop(&mut self) {
        release(&self.0);
    }
}

/// The cores that a command buffer uses.
pub(crate) struct Notes {
    command_buffer: u64,
    retained: bool,
    cores: Vec<Arc<dyn Held>>,
}

impl std::fmt::Debug for Notes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notes")
            .field("retained", &self.retained)
            .field("cores", &self.cores.len())
            .finish()
    }
}

impl Notes {
    pub(crate) fn new(command_buffer: u64, retained: bool) -> Self {
        Self {
            command_buffer,
            retained,
            cores: Vec::new(),
        }
    }

    /// Keeps the core readable until the command buffer is done, and returns what commands point to it with.
    #[inline]
    pub(crate) fn note<T: Held + 'static>(&mut self, core: &Arc<T>) -> Ref<T> {
        let lifetime = core.lifetime();
        if lifetime.noted.load(Relaxed) != self.command_buffer {
            lifetime.noted.store(self.command_buffer, Relaxed);
            if self.retained {
                lifetime.holders.fetch_add(1, SeqCst);
            }
            self.cores.push(core.clone());
        }
        Ref(Arc::as_ptr(core))
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if self.retained {
            for core in &self.cores {
                release(core);
            }
        }
    }
}

/// Points from a command to a core that the command buffer has noted: the commands are dropped before the notes.
#[derive(Debug)]
pub(crate) struct Ref<T>(*const T);

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<T> {}

// SAFETY: it is a shared reference whose target is kept by the command buffer's notes.
unsafe impl<T: Sync> Send for Ref<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Ref<T> {}

impl<T> std::ops::Deref for Ref<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the command buffer's notes own an Arc of the target for as long as its commands exist.
        unsafe { &*self.0 }
    }
}
