//! Checks a dispatch against the kernel's interface and the device's limits, before anything is recorded.

use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::access::Access;
use crate::arg::{Arg, Value};
use crate::backend::{Bound, Groups, INDIRECT_BYTES};
use crate::device::DeviceCore;
use crate::encoder::{DispatchError, DispatchProblem, MAX_BINDINGS};
use crate::error::Error;
use crate::grid::{Extent, Grid, groups_of, threads_of};
use crate::hazard::RangeAccess;
use crate::info::Limits;
use crate::kernel::{Binding, Interface, Kernel, SharedMemory};
use crate::memory::BufferView;
use crate::range::ByteRange;

/// A dispatch that may be recorded. It is long, so it is filled where it lies and never moved.
pub(crate) struct Checked<'a> {
    /// The arguments in the order of the kernel's bindings.
    pub(crate) bound: ArrayVec<Bound<'a>, MAX_BINDINGS>,
    /// What hazards are made of: the above and the indirect grid, without memory that nothing can write.
    pub(crate) accesses: ArrayVec<RangeAccess, { MAX_BINDINGS + 1 }>,
    pub(crate) inline: &'a [u8],
    pub(crate) groups: Groups<'a>,
    pub(crate) shared_bytes: u32,
}

impl Checked<'_> {
    /// Adds what a view can conflict with: nothing where nothing can write.
    #[inline]
    fn note(&mut self, bound: &Bound<'_>) {
        let allocation = &bound.view.allocation;
        if !allocation.read_only {
            self.accesses.push(RangeAccess {
                allocation: allocation.id,
                range: bound.range,
                access: bound.access,
            });
        }
    }

    pub(crate) fn new() -> Self {
        Checked {
            bound: ArrayVec::new(),
            accesses: ArrayVec::new(),
            inline: &[],
            groups: Groups::Direct {
                groups: [0; 3],
                threads: [0; 3],
            },
            shared_bytes: 0,
        }
    }
}

/// Fills a new `checked`, or says what is wrong with the dispatch.
#[inline]
pub(crate) fn check<'a>(
    device: &Arc<DeviceCore>,
    kernel: &Kernel,
    args: &[Arg<'a>],
    grid: &Grid<'a>,
    checked: &mut Checked<'a>,
) -> Result<(), DispatchError> {
    let check = Check {
        device,
        limits: &device.limits,
        kernel,
        interface: kernel.interface(),
    };
    check
        .run(args, grid, checked)
        .map_err(|problem| DispatchError {
            kernel: kernel.name().into(),
            problem,
        })
}

/// Checks a view that a step of native commands uses.
pub(crate) fn native_use(
    device: &Arc<DeviceCore>,
    view: &BufferView,
    access: Access,
    asked: &'static str,
) -> Result<(), Error> {
    let allocation = &view.allocation;
    if !Arc::ptr_eq(&allocation.device, device) {
        return Err(Error::ForeignDevice {
            what: format!("{view:?}").into(),
            device: device.name().into(),
        });
    }
    match access.writes() && allocation.read_only {
        true => Err(Error::ReadOnly {
            buffer: allocation.label.clone(),
            asked,
        }),
        false => Ok(()),
    }
}

/// Whether one of these writes what another one touches.
#[inline]
fn overlap(accesses: &[RangeAccess]) -> bool {
    let mut written = accesses.iter().filter(|access| access.access.writes());
    written.any(|written| {
        accesses.iter().any(|other| {
            other.allocation == written.allocation
                && !core::ptr::eq(other, written)
                && other.range.overlaps(&written.range)
        })
    })
}

struct Check<'d> {
    device: &'d Arc<DeviceCore>,
    limits: &'d Limits,
    kernel: &'d Kernel,
    interface: &'d Interface,
}

impl Check<'_> {
    fn run<'a>(
        &self,
        args: &[Arg<'a>],
        grid: &Grid<'a>,
        checked: &mut Checked<'a>,
    ) -> Result<(), DispatchProblem> {
        if !self.kernel.belongs_to(self.device) {
            return Err(DispatchProblem::ForeignKernel);
        }
        checked.shared_bytes = self.shared_bytes(grid.shared_bytes)?;
        self.bind(args, checked)?;
        if overlap(&checked.accesses) {
            self.overlaps(&checked.bound)?;
        }
        self.grid(grid, checked)
    }

    /// Gives the arguments to the kernel's bindings, one after the other.
    #[inline]
    fn bind<'a>(&self, args: &[Arg<'a>], checked: &mut Checked<'a>) -> Result<(), DispatchProblem> {
        let mut bindings = self.interface.bindings.iter();
        let mut inline: Option<&[u8]> = None;
        for arg in args {
            let (view, offset) = match arg.value {
                Value::View { view, offset } if arg.slot.is_none() => (view, offset),
                Value::View { .. } => return self.bind_by_slots(args, checked),
                Value::Bytes(_) if inline.is_some() => return Err(DispatchProblem::DoubledInline),
                Value::Bytes(bytes) => {
                    inline = Some(bytes);
                    continue;
                }
            };
            let Some(binding) = bindings.next() else {
                return Err(self.too_many(args));
            };
            if !self.may_bind(binding, view, offset) {
                return Err(self.refusal(binding, view, offset));
            }
            let bound = Bound {
                view,
                range: ByteRange::new(view.range.start + offset, view.range.end),
                access: binding.access,
            };
            checked.bound.push(bound);
            checked.note(&bound);
        }
        if let Some(&Binding { slot, access, .. }) = bindings.next() {
            return Err(DispatchProblem::MissingSlot { slot, access });
        }
        checked.inline = inline.unwrap_or_default();
        let (given, declared) = (checked.inline.len(), self.interface.inline_bytes);
        match given == declared as usize {
            true => Ok(()),
            false => Err(DispatchProblem::InlineBytes { given, declared }),
        }
    }

    /// Gives the arguments, of which some name their slots, to those.
    #[cold]
    fn bind_by_slots<'a>(
        &self,
        args: &[Arg<'a>],
        checked: &mut Checked<'a>,
    ) -> Result<(), DispatchProblem> {
        checked.bound.clear();
        checked.accesses.clear();
        self.bind(&self.in_order(args)?, checked)
    }

    /// The arguments in the order of the bindings, where some name their slots. Those that name none take the
    /// slot at their place among the buffers.
    #[cold]
    fn in_order<'a>(&self, args: &[Arg<'a>]) -> Result<Vec<Arg<'a>>, DispatchProblem> {
        let bindings = &self.interface.bindings;
        let mut views = Vec::new();
        let mut ordered = Vec::new();
        for arg in args {
            match (arg.value, arg.slot) {
                (Value::Bytes(_), _) => ordered.push(*arg),
                (Value::View { .. }, None) => views.push((views.len(), *arg)),
                (Value::View { .. }, Some(slot)) => views.push((self.index_of(slot)?, *arg)),
            }
        }
        views.sort_by_key(|(index, _)| *index);
        let binding = |index: usize| bindings.get(index).copied();
        if let Some(pair) = views.windows(2).find(|pair| pair[0].0 == pair[1].0)
            && let Some(Binding { slot, .. }) = binding(pair[0].0)
        {
            return Err(DispatchProblem::DoubledSlot { slot });
        }
        let gap = (0..views.len()).find(|&place| views[place].0 > place);
        if let Some(Binding { slot, access, .. }) = gap.and_then(binding) {
            return Err(DispatchProblem::MissingSlot { slot, access });
        }
        let views = views.into_iter();
        ordered.extend(views.map(|(_, arg)| Arg { slot: None, ..arg }));
        Ok(ordered)
    }

    #[cold]
    fn too_many(&self, args: &[Arg<'_>]) -> DispatchProblem {
        let is_view = |arg: &&Arg<'_>| matches!(arg.value, Value::View { .. });
        DispatchProblem::TooManyArguments {
            given: args.iter().filter(is_view).count(),
            slots: self.interface.bindings.len(),
        }
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

    /// Whether a view can be bound from an offset onwards.
    #[inline]
    fn may_bind(&self, binding: &Binding, view: &BufferView, offset: u64) -> bool {
        let allocation = &view.allocation;
        let align = u64::from(binding.align.max(self.limits.min_binding_alignment));
        let start = view.range.start.wrapping_add(offset);
        Arc::ptr_eq(&allocation.device, self.device)
            && !(allocation.read_only && binding.access.writes())
            && offset < view.len()
            && (start & (align - 1) == 0 && view.len() - offset <= self.limits.max_binding_bytes
                || self.interface.is_transfer)
    }

    /// Why an argument cannot be bound.
    #[cold]
    fn refusal(&self, binding: &Binding, view: &BufferView, offset: u64) -> DispatchProblem {
        let (slot, access) = (binding.slot, binding.access);
        let allocation = &view.allocation;
        if !Arc::ptr_eq(&allocation.device, self.device) {
            return DispatchProblem::ForeignBuffer {
                slot,
                buffer: allocation.label.clone(),
            };
        }
        if access.writes() && allocation.read_only {
            return DispatchProblem::ReadOnlyBuffer {
                slot,
                access,
                buffer: allocation.label.clone(),
            };
        }
        let len = view.len();
        if offset >= len {
            return DispatchProblem::EmptyView { slot, offset, len };
        }
        let (offset, len) = (view.range.start + offset, len - offset);
        let align = binding.align.max(self.limits.min_binding_alignment);
        match offset % u64::from(align) {
            0 => DispatchProblem::BindingTooLong {
                slot,
                len,
                limit: self.limits.max_binding_bytes,
            },
            _ => DispatchProblem::Misaligned {
                slot,
                offset,
                align,
            },
        }
    }

    /// Which bindings overlap, of which one is written.
    #[cold]
    fn overlaps(&self, bound: &[Bound<'_>]) -> Result<(), DispatchProblem> {
        for (at, written) in bound.iter().enumerate() {
            if !written.access.writes() {
                continue;
            }
            for (other_at, other) in bound.iter().enumerate() {
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

    fn grid<'a>(&self, grid: &Grid<'a>, checked: &mut Checked<'a>) -> Result<(), DispatchProblem> {
        let workgroup = self.interface.workgroup;
        let (groups, threads) = match grid.extent {
            Extent::Indirect(view) => return self.indirect(view, checked),
            Extent::Groups(groups) => (groups, threads_of(groups, workgroup)),
            Extent::Threads(threads) => (groups_of(threads, workgroup), threads),
        };
        if groups.contains(&0) {
            let grid = match grid.extent {
                Extent::Threads(threads) => threads,
                _ => groups,
            };
            return Err(DispatchProblem::EmptyGrid { grid });
        }
        checked.groups = Groups::Direct { groups, threads };
        if self.interface.is_transfer {
            return Ok(());
        }
        let limit = self.limits.max_groups;
        let [x, y, z] = groups;
        let total = (u64::from(x) * u64::from(y)).checked_mul(u64::from(z));
        let fits = total.is_some_and(|total| total <= self.limits.max_total_groups);
        if !fits || x > limit[0] || y > limit[1] || z > limit[2] {
            return Err(DispatchProblem::GridTooLarge {
                groups,
                limit,
                total: self.limits.max_total_groups,
            });
        }
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
        if len < INDIRECT_BYTES || offset % 4 != 0 {
            return Err(DispatchProblem::IndirectView { offset, len });
        }
        let range = ByteRange::new(offset, offset + INDIRECT_BYTES);
        for (bound, binding) in checked.bound.iter().zip(&self.interface.bindings) {
            let same = bound.view.allocation.id == allocation.id && bound.range.overlaps(&range);
            if same && bound.access.writes() {
                return Err(DispatchProblem::IndirectOverlap { slot: binding.slot });
            }
        }
        let access = Access::Read;
        let bound = Bound {
            view,
            range,
            access,
        };
        checked.note(&bound);
        checked.groups = Groups::Indirect(bound);
        Ok(())
    }
}
