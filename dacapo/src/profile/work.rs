use core::iter::Sum;
use core::ops::{Add, AddAssign};

use bytemuck::AnyBitPattern;

/// What a dispatch has to do, whoever does it: the least traffic with memory, and arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Bytes that come from memory at least once.
    pub read: u64,
    /// Bytes that go to memory.
    pub written: u64,
    /// Arithmetic operations; a multiplication and an addition are two.
    pub operations: u64,
}

/// Computes what a dispatch has to do, from how it was called.
pub type WorkFn = fn(&Dispatched<'_>) -> Work;

/// How a kernel was called, for its [`WorkFn`].
#[derive(Clone, Copy, Debug)]
pub struct Dispatched<'a> {
    pub(crate) inline: &'a [u8],
    /// Slot and bytes of each argument.
    pub(crate) bound: &'a [(u32, u64)],
    pub(crate) threads: [u32; 3],
    pub(crate) extent: Option<u64>,
}

impl<'a> Dispatched<'a> {
    /// A call with these inline constants, slots with the length of what is bound there in bytes, and threads.
    pub fn new(inline: &'a [u8], bound: &'a [(u32, u64)], threads: [u32; 3]) -> Dispatched<'a> {
        Dispatched {
            inline,
            bound,
            threads,
            extent: None,
        }
    }

    /// The same call with an extent.
    pub fn with_extent(self, extent: Option<u64>) -> Dispatched<'a> {
        Dispatched { extent, ..self }
    }

    /// The inline constants; `None` when they are shorter than a `P`.
    pub fn inline<P: AnyBitPattern>(&self) -> Option<P> {
        let bytes = self.inline.get(..size_of::<P>())?;
        Some(bytemuck::pod_read_unaligned(bytes))
    }

    /// Bytes of what is bound at `slot`; 0 where nothing is.
    pub fn bytes(&self, slot: u32) -> u64 {
        let found = self.bound.iter().find(|(bound, _)| *bound == slot);
        found.map_or(0, |(_, bytes)| *bytes)
    }

    /// Threads along each axis; 0 where only the device knows.
    pub fn threads(&self) -> [u32; 3] {
        self.threads
    }

    /// What the submission says of the one size that only the device knows when it runs, such as how many positions
    /// of a cache are filled.
    pub fn extent(&self) -> Option<u64> {
        self.extent
    }
}

impl Add for Work {
    type Output = Work;

    fn add(self, other: Work) -> Work {
        Work {
            read: self.read.saturating_add(other.read),
            written: self.written.saturating_add(other.written),
            operations: self.operations.saturating_add(other.operations),
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        *self = *self + other;
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Work>>(all: I) -> Work {
        all.fold(Work::default(), Add::add)
    }
}
