use naga::proc::Layouter;
use naga::valid::{GlobalUse, ModuleInfo};
use naga::{AddressSpace, Handle, Module, ResourceBinding, Type, TypeInner};

use super::diagnostic::Source;
use super::immediates::MAX_SLOTS;
use crate::access::Access;
use crate::kernel::{Binding, Interface, SharedMemory};

pub(super) struct Reflection {
    pub(super) interface: Interface,
    pub(super) inline_slot: Option<u32>,
}

/// What the entry point binds and how it is launched. Variables that it does not use, not even through the
/// functions it calls, are no part of it. `moved` are the slots of immediates that became storage buffers.
pub(super) fn reflect(
    source: &Source<'_>,
    module: &Module,
    info: &ModuleInfo,
    entry: usize,
    moved: &[u32],
) -> Result<Reflection, Box<str>> {
    let mut layouter = Layouter::default();
    layouter
        .update(module.to_ctx())
        .map_err(|error| error.to_string())?;
    let uses = info.get_entry_point(entry);
    let (mut bindings, mut inlines, mut shared) = (Vec::new(), Vec::new(), 0u32);
    for (handle, global) in module.global_variables.iter() {
        if uses[handle].is_empty() {
            continue;
        }
        let refuse = |message: String| {
            let span = module.global_variables.get_span(handle);
            source.point(span, "declared here", message)
        };
        let layout = layouter[global.ty];
        match global.space {
            AddressSpace::Storage { .. } => {
                let slot = slot(global.binding).map_err(refuse)?;
                if moved.contains(&slot) {
                    inlines.push((layout.size, Some(slot)));
                    continue;
                }
                bindings.push(Binding {
                    slot,
                    access: access(uses[handle]),
                    align: layouter[element(module, global.ty)].alignment * 1u32,
                });
            }
            AddressSpace::Immediate => inlines.push((layout.size, None)),
            AddressSpace::WorkGroup => shared = shared.saturating_add(layout.to_stride()),
            AddressSpace::Function | AddressSpace::Private => {}
            AddressSpace::Uniform => {
                return Err(refuse(
                    "a uniform buffer; kernels bind storage buffers, and take small constants through \
                     var<immediate>"
                        .into(),
                ));
            }
            _ => {
                return Err(refuse(
                    "a texture, a sampler or another opaque object; kernels bind storage buffers"
                        .into(),
                ));
            }
        }
    }
    if inlines.len() > 1 {
        return Err(format!(
            "{} variables in the address space immediate; a kernel has one at most",
            inlines.len()
        )
        .into());
    }
    bindings.sort_by_key(|binding| binding.slot);
    let (inline_bytes, inline_slot) = inlines.pop().unwrap_or((0, None));
    Ok(Reflection {
        interface: Interface {
            bindings,
            inline_bytes,
            workgroup: module.entry_points[entry].workgroup_size,
            shared: match shared {
                0 => SharedMemory::None,
                bytes => SharedMemory::Fixed(bytes),
            },
            touches_anything: false,
            overwritten: Vec::new(),
            is_transfer: false,
        },
        inline_slot,
    })
}

fn slot(binding: Option<ResourceBinding>) -> Result<u32, String> {
    match binding {
        Some(ResourceBinding { group: 0, binding }) if binding < MAX_SLOTS => Ok(binding),
        Some(ResourceBinding { group: 0, binding }) => Err(format!(
            "a storage buffer at binding {binding}; slots are numbered 0 to {}",
            MAX_SLOTS - 1
        )),
        Some(ResourceBinding { group, .. }) => Err(format!(
            "a storage buffer in group {group}; kernels bind group 0 alone"
        )),
        None => Err("a storage buffer without @group(0) @binding(slot)".into()),
    }
}

/// A buffer of which only the length is asked counts as read: it must be bound.
fn access(used: GlobalUse) -> Access {
    let writes = used.intersects(GlobalUse::WRITE | GlobalUse::ATOMIC);
    let reads = used.intersects(GlobalUse::READ | GlobalUse::ATOMIC);
    match (reads, writes) {
        (false, true) => Access::Write,
        (true, true) => Access::ReadWrite,
        (_, false) => Access::Read,
    }
}

/// The type whose alignment a view of the buffer must have: an array's element, or the whole.
fn element(module: &Module, ty: Handle<Type>) -> Handle<Type> {
    match module.types[ty].inner {
        TypeInner::Array { base, .. } => base,
        _ => ty,
    }
}
