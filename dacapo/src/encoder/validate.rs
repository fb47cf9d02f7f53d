//! Checks a dispatch against the kernel's interface and the device's limits, before anything is recorded.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::access::Access;
use crate::arg::{Arg, Value};
use crate::backend::{BoundBuffer, Groups};
use crate::device::DeviceCore;
use crate::encoder::{DispatchError, DispatchProblem, MAX_BINDINGS};
use crate::grid::{Extent, Grid};
use crate::hazard::RangeAccess;
use crate::info::Limits;
use crate::kernel::{Binding, Interface, Kernel, SharedMemory};
use crate::memory::BufferView;
use crate::range::ByteRange;

/// A dispatch that may be recorded.
pub(crate) struct Checked<'a> {
    /// The arguments in the order of the kernel's bindings.
    pub(crate) views: SmallVec<[BoundView<'a>; MAX_BINDINGS]>,
    pub(crate) buffers: SmallVec<[BoundBuffer<'a>; MAX_BINDINGS]>,
    pub(crate) accesses: SmallVec<[RangeAccess; MAX_BINDINGS]>,
    pub(crate) inline: &'a [u8],
    pub(crate) groups: Groups<'a>,
    pub(crate) grid_view: Option<&'a BufferView>,
    pub(crate) shared_bytes: u32,
}

#[derive(Clone, Copy)]
pub(crate) struct BoundView<'a> {
    pub(crate) view: &'a BufferView,
    pub(crate) range: ByteRange,
    pub(crate) access: Access,
}

pub(crate) fn check<'a>(
    device: &Arc<DeviceCore>,
    kernel: &Kernel,
    args: &[Arg<'a>],
    grid: Grid<'a>,
) -> Result<Checked<'a>, DispatchError> {
    let check = Check {
        device,
        limits: device.backend.limits(),
        kernel,
        interface: kernel.interface(),
    };
    check.run(args, grid).map_err(|problem| DispatchError {
        kernel: kernel.name().into(),
        problem,
    })
}

struct Check<'d> {
    device: &'d Arc<DeviceCore>,
    limits: &'d Limits,
    kernel: &'d Kernel,
    interface: &'d Interface,
}

impl Check<'_> {
    fn run<'a>(&self, args: &[Arg<'a>], grid: Grid<'a>) -> Result<Checked<'a>, DispatchProblem> {
        if !self.kernel.belongs_to(self.device) {
            return Err(DispatchProblem::ForeignKernel);
        }
        let (slots, inline) = self.assign(args)?;
        let mut checked = Checked {
            views: SmallVec::new(),
            buffers: SmallVec::new(),
            accesses: SmallVec::new(),
            inline,
            groups: Groups::Direct {
                groups: [0; 3],
                threads: [0; 3],
            },
            grid_view: None,
            shared_bytes: self.shared_bytes(grid.shared_bytes)?,
        };
        let mut written = false;
        for (binding, slot) in self.interface.bindings.iter().zip(&slots) {
            let range = self.range(binding, slot)?;
            let allocation = &slot.view.allocation;
            written |= binding.access.writes();
            checked.views.push(BoundView {
                view: slot.view,
                range,
                access: binding.access,
            });
            checked.buffers.push(BoundBuffer {
                allocation,
                offset: range.start,
                len: range.len(),
            });
            if !allocation.read_only {
                checked.accesses.push(RangeAccess {
                    allocation: allocation.id,
                    range,
                    access: binding.access,
                });
            }
        }
        if written {
            self.overlaps(&checked.views)?;
        }
        self.grid(grid, &mut checked)?;
        Ok(checked)
    }

    /// Matches arguments with bindings; the result is in the order of the bindings.
    fn assign<'a>(
        &self,
        args: &[Arg<'a>],
    ) -> Result<(SmallVec<[Slot<'a>; MAX_BINDINGS]>, &'a [u8]), DispatchProblem> {
        let bindings = &self.interface.bindings;
        let mut slots = SmallVec::<[Slot<'a>; MAX_BINDINGS]>::new();
        let mut inline: Option<&[u8]> = None;
        let mut in_order = true;
        for arg in args {
            let (view, offset) = match arg.value {
                Value::View { view, offset } => (view, offset),
                Value::Bytes(_) if inline.is_some() => return Err(DispatchProblem::DoubledInline),
                Value::Bytes(bytes) => {
                    inline = Some(bytes);
                    continue;
                }
            };
            let index = match arg.slot {
                None => slots.len(),
                Some(slot) => self.index_of(slot)?,
            };
            in_order &= index == slots.len();
            slots.push(Slot {
                index,
                view,
                offset,
            });
        }
        if !in_order {
            slots.sort_by_key(|slot| slot.index);
            if let Some(pair) = slots.windows(2).find(|pair| pair[0].index == pair[1].index)
                && let Some(binding) = bindings.get(pair[0].index)
            {
                return Err(DispatchProblem::DoubledSlot { slot: binding.slot });
            }
        }
        for (index, binding) in bindings.iter().enumerate() {
            if slots.get(index).is_none_or(|slot| slot.index != index) {
                return Err(DispatchProblem::MissingSlot {
                    slot: binding.slot,
                    access: binding.access,
                });
            }
        }
        if slots.len() > bindings.len() {
            return Err(DispatchProblem::TooManyArguments {
                given: slots.len(),
                slots: bindings.len(),
            });
        }
        let inline = inline.unwrap_or_default();
        if inline.len() != self.interface.inline_bytes as usize {
            let (given, declared) = (inline.len(), self.interface.inline_bytes);
            return Err(DispatchProblem::InlineBytes { given, declared });
        }
        Ok((slots, inline))
    }

    fn index_of(&self, slot: u32) -> Result<usize, DispatchProblem> {
        let bindings = &self.interface.bindings;
        bindings
            .iter()
            .position(|binding| binding.slot == slot)
            .ok_or_else(|| {
                let slots = bindings.iter().map(|binding| binding.slot).collect();
                DispatchProblem::UnknownSlot { slot, slots }
            })
    }

    /// The bytes of the allocation that an argument binds.
    fn range(&self, binding: &Binding, arg: &Slot<'_>) -> Result<ByteRange, DispatchProblem> {
        let (slot, access) = (binding.slot, binding.access);
        let allocation = &arg.view.allocation;
        if !Arc::ptr_eq(&allocation.device, self.device) {
            return Err(DispatchProblem::ForeignBuffer {
                slot,
                buffer: allocation.label.clone(),
            });
        }
        if access.writes() && allocation.read_only {
            return Err(DispatchProblem::ReadOnlyBuffer {
                slot,
                access,
                buffer: allocation.label.clone(),
            });
        }
        let len = arg.view.len();
        if arg.offset >= len {
            return Err(DispatchProblem::EmptyView {
                slot,
                offset: arg.offset,
                len,
            });
        }
        let range = ByteRange::new(arg.view.range.start + arg.offset, arg.view.range.end);
        let align = binding.align.max(self.limits.min_binding_alignment);
        if range.start & (u64::from(align) - 1) != 0 {
            return Err(DispatchProblem::Misaligned {
                slot,
                offset: range.start,
                align,
            });
        }
        if range.len() > self.limits.max_binding_bytes {
            let limit = self.limits.max_binding_bytes;
            return Err(DispatchProblem::BindingTooLong {
                slot,
                len: range.len(),
                limit,
            });
        }
        Ok(range)
    }

    fn overlaps(&self, views: &[BoundView<'_>]) -> Result<(), DispatchProblem> {
        for (at, written) in views
            .iter()
            .enumerate()
            .filter(|(_, view)| view.access.writes())
        {
            for (other_at, other) in views.iter().enumerate() {
                if at != other_at
                    && written.view.allocation.id == other.view.allocation.id
                    && let Some(overlap) = written.range.intersection(&other.range)
                {
                    let slot = |at: usize| self.interface.bindings[at].slot;
                    return Err(DispatchProblem::Overlap {
                        written: slot(at),
                        other: slot(other_at),
                        overlap,
                    });
                }
            }
        }
        Ok(())
    }

    fn shared_bytes(&self, asked: u32) -> Result<u32, DispatchProblem> {
        match self.interface.shared {
            SharedMemory::Dynamic { max } if asked <= max => Ok(asked),
            SharedMemory::Fixed(bytes) if asked == 0 => Ok(bytes),
            SharedMemory::None if asked == 0 => Ok(0),
            SharedMemory::Dynamic { max } => {
                Err(DispatchProblem::SharedMemory { asked, limit: max })
            }
            SharedMemory::Fixed(_) | SharedMemory::None => {
                Err(DispatchProblem::SharedMemory { asked, limit: 0 })
            }
        }
    }

    fn grid<'a>(&self, grid: Grid<'a>, checked: &mut Checked<'a>) -> Result<(), DispatchProblem> {
        let workgroup = self.interface.workgroup;
        let (groups, threads) = match grid.extent {
            Extent::Indirect(view) => return self.indirect(view, checked),
            Extent::Groups(groups) => (
                groups,
                core::array::from_fn(|axis| groups[axis].saturating_mul(workgroup[axis])),
            ),
            Extent::Threads(threads) => (
                core::array::from_fn(|axis| threads[axis].div_ceil(workgroup[axis])),
                threads,
            ),
        };
        if groups.contains(&0) {
            return Err(DispatchProblem::EmptyGrid { grid: groups });
        }
        let limit = self.limits.max_groups;
        let total = groups
            .iter()
            .map(|&n| u64::from(n))
            .try_fold(1, u64::checked_mul);
        let fits = total.is_some_and(|total| total <= self.limits.max_total_groups);
        if !fits
            || groups
                .iter()
                .zip(limit)
                .any(|(&groups, limit)| groups > limit)
        {
            return Err(DispatchProblem::GridTooLarge {
                groups,
                limit,
                total: self.limits.max_total_groups,
            });
        }
        checked.groups = Groups::Direct { groups, threads };
        Ok(())
    }

    fn indirect<'a>(
        &self,
        view: &'a BufferView,
        checked: &mut Checked<'a>,
    ) -> Result<(), DispatchProblem> {
        let allocation = &view.allocation;
        if !Arc::ptr_eq(&allocation.device, self.device) {
            return Err(DispatchProblem::ForeignGrid {
                buffer: allocation.label.clone(),
            });
        }
        let (offset, len) = (view.offset(), view.len());
        if len < 12 || offset % 4 != 0 {
            return Err(DispatchProblem::IndirectView { offset, len });
        }
        let range = ByteRange::new(offset, offset + 12);
        for (bound, binding) in checked.views.iter().zip(&self.interface.bindings) {
            let same = bound.view.allocation.id == allocation.id && bound.range.overlaps(&range);
            if same && bound.access.writes() {
                return Err(DispatchProblem::IndirectOverlap { slot: binding.slot });
            }
        }
        if !allocation.read_only {
            checked.accesses.push(RangeAccess {
                allocation: allocation.id,
                range,
                access: Access::Read,
            });
        }
        checked.groups = Groups::Indirect(BoundBuffer {
            allocation,
            offset,
            len: 12,
        });
        checked.grid_view = Some(view);
        Ok(())
    }
}

struct Slot<'a> {
    index: usize,
    view: &'a BufferView,
    offset: u64,
}
