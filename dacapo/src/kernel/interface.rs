use crate::access::Access;
use crate::error::{Error, Result};
use crate::info::Limits;
use crate::profile::{Dispatched, Work};

/// One buffer slot of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The slot's number, unique within the kernel.
    pub slot: u32,
    /// What the kernel does with it.
    pub access: Access,
    /// Alignment that the bound view's offset must have, in bytes, a power of two.
    pub align: u32,
}

/// Memory that the threads of one workgroup share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SharedMemory {
    /// None.
    #[default]
    None,
    /// Always this many bytes.
    Fixed(u32),
    /// As many bytes as the dispatch asks for, up to `max`.
    Dynamic {
        /// Most bytes that a dispatch may ask for.
        max: u32,
    },
}

impl SharedMemory {
    /// The bytes of a dispatch that asks for `dynamic` bytes, which it may.
    pub(crate) fn granted(self, dynamic: u32) -> u32 {
        match self {
            SharedMemory::None => 0,
            SharedMemory::Fixed(bytes) => bytes,
            SharedMemory::Dynamic { .. } => dynamic,
        }
    }

    /// Most bytes a dispatch of the kernel can use.
    pub fn max_bytes(self) -> u32 {
        match self {
            SharedMemory::None => 0,
            SharedMemory::Fixed(bytes) | SharedMemory::Dynamic { max: bytes } => bytes,
        }
    }
}

/// What a kernel binds, and how it is launched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    pub(crate) bindings: Vec<Binding>,
    pub(crate) inline_bytes: u32,
    pub(crate) workgroup: [u32; 3],
    pub(crate) shared: SharedMemory,
    pub(crate) touches_anything: bool,
    /// Slots of which every dispatch writes all bytes, in the order in which they were declared.
    pub(crate) overwritten: Vec<u32>,
    /// Whether a command of the device does it, for which the limits of kernels do not count.
    pub(crate) is_transfer: bool,
}

impl Interface {
    /// The buffer slots, in ascending order of their numbers.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Bytes of inline constants that each dispatch must give.
    pub fn inline_bytes(&self) -> u32 {
        self.inline_bytes
    }

    /// Threads of one workgroup along each axis.
    pub fn workgroup(&self) -> [u32; 3] {
        self.workgroup
    }

    /// Shared memory.
    pub fn shared_memory(&self) -> SharedMemory {
        self.shared
    }

    /// Whether the kernel may touch memory beyond its bindings, so that nothing can run beside it.
    pub fn touches_anything(&self) -> bool {
        self.touches_anything
    }

    /// Whether every dispatch writes all bytes bound at `slot`, so that what was there before is lost.
    pub fn overwrites(&self, slot: u32) -> bool {
        self.overwritten.contains(&slot)
    }

    /// All that a dispatch binds, read and written once.
    pub(crate) fn all_bound(&self, call: &Dispatched<'_>) -> Work {
        let bytes = |touches: fn(Access) -> bool| {
            let touched = self.bindings.iter().filter(|it| touches(it.access));
            let bytes = touched.map(|binding| call.bytes(binding.slot));
            bytes.fold(0, u64::saturating_add)
        };
        Work {
            read: bytes(Access::reads),
            written: bytes(Access::writes),
            operations: 0,
        }
    }

    /// This, of a kernel that is a command of the device.
    pub(crate) fn of_transfer(self) -> Interface {
        Interface {
            is_transfer: true,
            ..self
        }
    }

    /// This declaration joined with what the code says; or how they contradict each other. Where nothing is
    /// declared the code decides; otherwise it may do no more than the declaration says.
    pub(crate) fn agreed(&self, code: &Interface) -> Result<Interface, Box<str>> {
        let declared = match (self.bindings.is_empty(), self.inline_bytes) {
            (true, 0) => code,
            _ => self,
        };
        if declared.inline_bytes != code.inline_bytes {
            let (declared, code) = (declared.inline_bytes, code.inline_bytes);
            return Err(
                format!("{declared} inline bytes are declared; the code takes {code}").into(),
            );
        }
        let mut bindings = declared.bindings.clone();
        for used in &code.bindings {
            let slot = used.slot;
            let Some(binding) = bindings.iter_mut().find(|binding| binding.slot == slot) else {
                return Err(format!("the code uses slot {slot}, which is not declared").into());
            };
            let (declared, found) = (binding.access, used.access);
            if (found.reads() && !declared.reads()) || (found.writes() && !declared.writes()) {
                return Err(
                    format!("slot {slot} is declared {declared}; the code does {found}").into(),
                );
            }
            binding.align = binding.align.max(used.align);
        }
        Ok(Interface {
            bindings,
            touches_anything: self.touches_anything,
            overwritten: self.overwritten.clone(),
            ..code.clone()
        })
    }

    pub(crate) fn check(&self, kernel: &str, limits: &Limits) -> Result<()> {
        let invalid = |reason: String| Error::InvalidKernel {
            kernel: kernel.into(),
            reason: reason.into(),
        };
        if self.bindings.len() as u64 > u64::from(limits.max_bindings) {
            let (given, limit) = (self.bindings.len(), limits.max_bindings);
            return Err(invalid(format!(
                "{given} bindings; the device takes {limit}"
            )));
        }
        if let Some(pair) = self
            .bindings
            .windows(2)
            .find(|pair| pair[0].slot == pair[1].slot)
        {
            return Err(invalid(format!("slot {} is declared twice", pair[0].slot)));
        }
        let written = |slot: &u32| {
            (self.bindings.iter()).any(|b| b.slot == *slot && b.access == Access::Write)
        };
        if let Some(slot) = self.overwritten.iter().find(|slot| !written(slot)) {
            return Err(invalid(format!(
                "slot {slot} is declared overwritten, and not as one that is written only"
            )));
        }
        if let Some(last) = self
            .bindings
            .last()
            .filter(|last| limits.max_slot.is_some_and(|limit| last.slot > limit))
        {
            let limit = limits.max_slot.unwrap_or_default();
            return Err(invalid(format!(
                "slot {}; the device has slots 0 to {limit}",
                last.slot
            )));
        }
        if let Some(bad) = self
            .bindings
            .iter()
            .find(|binding| !binding.align.is_power_of_two())
        {
            return Err(invalid(format!(
                "slot {}: alignment {} is not a power of two",
                bad.slot, bad.align
            )));
        }
        if self.inline_bytes > limits.max_inline_bytes {
            let (given, limit) = (self.inline_bytes, limits.max_inline_bytes);
            return Err(invalid(format!(
                "{given} inline bytes; the device takes {limit}"
            )));
        }
        let threads = self
            .workgroup
            .iter()
            .map(|&n| u64::from(n))
            .try_fold(1u64, u64::checked_mul);
        let limit = limits.max_group_threads;
        if !threads.is_some_and(|threads| (1..=u64::from(limit)).contains(&threads)) {
            return Err(invalid(format!(
                "workgroup {:?}; the device takes 1 to {limit} threads",
                self.workgroup
            )));
        }
        if self.shared.max_bytes() > limits.max_shared_bytes {
            let (given, limit) = (self.shared.max_bytes(), limits.max_shared_bytes);
            return Err(invalid(format!(
                "{given} bytes of shared memory; the device takes {limit}"
            )));
        }
        Ok(())
    }
}
