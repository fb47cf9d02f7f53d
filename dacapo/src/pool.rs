//! Memory for transients: issued in generations, issued again when nothing uses it any more.

use core::fmt;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::hazard::AllocationId;
use crate::memory::{Buffer, BufferOptions, BufferView, MemoryKind};
use crate::range::ByteRange;

/// Smallest block: every block starts at a multiple of it, which satisfies the binding alignment of every
/// device known (256 bytes at most).
const GRANULE: u64 = 256;

/// How a pool gets its memory.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Where the memory lives.
    pub kind: MemoryKind,
    /// Bytes taken from the device at a time; a larger block gets a slab of its own.
    pub slab_bytes: u64,
}

impl Default for PoolOptions {
    /// Device-local memory in slabs of 16 MiB.
    fn default() -> PoolOptions {
        PoolOptions {
            kind: MemoryKind::DeviceLocal,
            slab_bytes: 16 << 20,
        }
    }
}

/// Blocks of transient memory in size classes.
///
/// Blocks belong to the generation in which they were issued. [`BufferPool::reset`] starts the next one; the
/// blocks of the old one are issued again once no view, no encoder and no unfinished submission holds it,
/// so a reset while work is in flight is safe. An encoder retains a generation once, however many of its
/// blocks it binds. Blocks are views of shared slabs, so the hazard tracker sees who shares memory.
///
/// A block is zero when its slab is fresh and otherwise holds what was last written to it.
#[derive(Clone)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

struct Shared {
    device: Device,
    options: PoolOptions,
    state: Mutex<State>,
}

struct State {
    current: Arc<Generation>,
    /// Blocks nobody uses, by class; the one that has been idle longest first.
    free: BTreeMap<u64, VecDeque<Block>>,
    slab: Option<Slab>,
    owned_bytes: u64,
    adopted: HashSet<AllocationId>,
}

/// A slab that blocks are still being cut from.
struct Slab {
    buffer: Buffer,
    next: u64,
}

/// A block that can be issued. Its class is the largest length that it can be issued for.
struct Block {
    memory: BufferView,
    class: u64,
}

/// The blocks issued between two resets. They return to the pool when the last holder is gone.
pub(crate) struct Generation {
    pool: Weak<Shared>,
    blocks: Mutex<Blocks>,
}

#[derive(Default)]
struct Blocks {
    /// By the number that their views carry.
    issued: BTreeMap<u64, Block>,
    last: u64,
    /// Released before the reset, by class, the one released first in front.
    released: BTreeMap<u64, VecDeque<Block>>,
}

/// What a view of a pool's block keeps: its generation, and which issue of the block it is.
#[derive(Clone)]
pub(crate) struct Issue {
    pub(crate) generation: Arc<Generation>,
    number: u64,
}

impl BufferPool {
    /// An empty pool.
    pub fn new(device: &Device, options: PoolOptions) -> BufferPool {
        let shared = Arc::new_cyclic(|pool: &Weak<Shared>| Shared {
            device: device.clone(),
            options,
            state: Mutex::new(State {
                current: Generation::new(pool.clone()),
                free: BTreeMap::new(),
                slab: None,
                owned_bytes: 0,
                adopted: HashSet::new(),
            }),
        });
        BufferPool { shared }
    }

    /// A view of `len` bytes, at a multiple of 256 bytes in its allocation.
    ///
    /// Memory that nothing in flight uses comes first, then fresh memory of the current slab, then blocks
    /// released in this generation, since those may cost a barrier; a new slab comes last.
    ///
    /// # Errors
    /// [`Error::EmptyBuffer`] for 0 bytes, and those of [`Device::buffer`] when a new slab is needed.
    pub fn allocate(&self, len: u64) -> Result<BufferView> {
        if len == 0 {
            return Err(Error::EmptyBuffer);
        }
        let class = class_above(len);
        let mut state = self.shared.state.lock();
        let current = state.current.clone();
        let fresh = match state.free.get_mut(&class).and_then(VecDeque::pop_front) {
            Some(block) => Some(block),
            None => state.cut(class),
        };
        let block = match fresh.or_else(|| current.reissue(class)) {
            Some(block) => block,
            None => self.shared.grow(&mut state, class)?,
        };
        let memory = block.memory.clone();
        let number = current.issue(block);
        Ok(BufferView {
            range: ByteRange::new(memory.range.start, memory.range.start + len),
            issue: Some(Issue {
                generation: current,
                number,
            }),
            ..memory
        })
    }

    /// Gives a block back before the reset, once its last use has been encoded. Later blocks of this
    /// generation may share its memory; the hazard tracker orders them, provided that encoders are
    /// committed in the order in which they were encoded. Other views of the block should no longer be
    /// used.
    ///
    /// # Errors
    /// [`Error::NotInPool`] when the view does not begin a block that this pool issued since the last
    /// reset, or the block was released before.
    pub fn release(&self, view: BufferView) -> Result<()> {
        let current = self.shared.state.lock().current.clone();
        let released = view.issue.as_ref().is_some_and(|issue| {
            Arc::ptr_eq(&issue.generation, &current)
                && current.release(issue.number, view.range.start)
        });
        match released {
            true => Ok(()),
            false => Err(Error::NotInPool {
                view: format!("{view:?}").into(),
            }),
        }
    }

    /// Starts the next generation.
    pub fn reset(&self) {
        let next = Generation::new(Arc::downgrade(&self.shared));
        let old = core::mem::replace(&mut self.shared.state.lock().current, next);
        // Dropped after the lock is released: the last holder returns the blocks, which takes the lock.
        drop(old);
    }

    /// Lends a buffer of the caller's to the pool for good. It serves requests up to the largest class that
    /// fits into it, never beyond its length.
    ///
    /// # Errors
    /// [`Error::NotInPool`] when it is read-only, of another device, smaller than the smallest class, 256
    /// bytes, or adopted already.
    pub fn adopt(&self, buffer: Buffer) -> Result<()> {
        let own = Arc::ptr_eq(&buffer.allocation.device, &self.shared.device.core);
        let class = class_below(buffer.len()).filter(|_| own && !buffer.is_read_only());
        let mut state = self.shared.state.lock();
        match class {
            Some(class) if state.adopted.insert(buffer.allocation()) => {
                let memory = (*buffer).clone();
                let free = state.free.entry(class).or_default();
                free.push_back(Block { memory, class });
                Ok(())
            }
            _ => Err(Error::NotInPool {
                view: format!("{buffer:?}").into(),
            }),
        }
    }

    /// Bytes the pool has taken from the device, whether in use or not. Adopted buffers do not count.
    pub fn owned_bytes(&self) -> u64 {
        self.shared.state.lock().owned_bytes
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BufferPool({} bytes)", self.owned_bytes())
    }
}

impl Shared {
    fn grow(&self, state: &mut State, class: u64) -> Result<Block> {
        let own_slab = class > self.options.slab_bytes;
        let len = if own_slab {
            class
        } else {
            self.options.slab_bytes
        };
        let buffer = self.device.buffer_with(&BufferOptions {
            len,
            kind: self.options.kind,
            label: "pool",
        })?;
        state.owned_bytes += len;
        if own_slab {
            return Ok(Block {
                memory: (*buffer).clone(),
                class,
            });
        }
        let memory = buffer.slice(..class)?;
        state.slab = Some(Slab {
            buffer,
            next: class,
        });
        Ok(Block { memory, class })
    }
}

impl State {
    /// A block from the untouched rest of the slab.
    fn cut(&mut self, class: u64) -> Option<Block> {
        let slab = self.slab.as_mut()?;
        let memory = slab
            .buffer
            .slice(slab.next..slab.next.checked_add(class)?)
            .ok()?;
        slab.next += class;
        Some(Block { memory, class })
    }
}

impl Issue {
    /// Whether the block was given back.
    pub(crate) fn is_released(&self) -> bool {
        !self
            .generation
            .blocks
            .lock()
            .issued
            .contains_key(&self.number)
    }
}

impl Generation {
    fn new(pool: Weak<Shared>) -> Arc<Generation> {
        Arc::new(Generation {
            pool,
            blocks: Mutex::default(),
        })
    }

    /// The number of the issue.
    fn issue(&self, block: Block) -> u64 {
        let mut blocks = self.blocks.lock();
        blocks.last += 1;
        let number = blocks.last;
        blocks.issued.insert(number, block);
        number
    }

    /// A block released earlier in this generation.
    fn reissue(&self, class: u64) -> Option<Block> {
        self.blocks.lock().released.get_mut(&class)?.pop_front()
    }

    /// Whether issue `number` was out and starts at this byte of its allocation.
    fn release(&self, number: u64, start: u64) -> bool {
        let blocks = &mut *self.blocks.lock();
        let Entry::Occupied(issued) = blocks.issued.entry(number) else {
            return false;
        };
        if issued.get().memory.range.start != start {
            return false;
        }
        let block = issued.remove();
        let released = blocks.released.entry(block.class).or_default();
        released.push_back(block);
        true
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let mut state = pool.state.lock();
        let Blocks {
            issued, released, ..
        } = core::mem::take(self.blocks.get_mut());
        for block in released.into_values().flatten().chain(issued.into_values()) {
            state.free.entry(block.class).or_default().push_back(block);
        }
    }
}

/// The smallest class of at least `len` bytes: four classes to each power of two, so that at most a fifth
/// of a block is unused.
fn class_above(len: u64) -> u64 {
    let len = len.max(GRANULE);
    let step = step(len);
    len.div_ceil(step).saturating_mul(step)
}

/// The largest class of at most `len` bytes.
fn class_below(len: u64) -> Option<u64> {
    (len >= GRANULE).then(|| len / step(len) * step(len))
}

/// Distance between the classes around `len`.
fn step(len: u64) -> u64 {
    ((1 << len.ilog2()) / 4).max(GRANULE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_bracket_every_length() {
        for len in (1..10_000).chain([1 << 20, (1 << 20) + 1, (1 << 40) - 1]) {
            let above = class_above(len);
            assert!(
                above >= len && above.is_multiple_of(GRANULE),
                "{len}: {above}"
            );
            assert!(
                above < GRANULE * 2 || above - len <= above / 4 + GRANULE,
                "{len}: {above} wastes too much"
            );
            assert_eq!(class_above(above), above, "a class is its own class");
            if let Some(below) = class_below(len) {
                assert!(
                    below <= len && class_above(below) == below,
                    "{len}: {below}"
                );
            }
        }
        assert_eq!(class_below(255), None);
    }
}
