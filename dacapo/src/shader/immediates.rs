use naga::{AddressSpace, Module, ResourceBinding, StorageAccess};

/// Slots are numbered below this.
pub(super) const MAX_SLOTS: u32 = 32;

/// Turns each `var<immediate>` of more than `limit` bytes into a read-only storage buffer at a slot of its own,
/// and lists these slots.
///
/// This comes before the validation, in which naga 30 overflows on immediates of more than 256 bytes. The
/// layout stays: it is the same in both address spaces.
pub(super) fn move_large(module: &mut Module, limit: u32) -> Result<Vec<u32>, Box<str>> {
    let large: Vec<_> = module
        .global_variables
        .iter()
        .filter(|(_, global)| global.space == AddressSpace::Immediate)
        .filter(|(_, global)| {
            let size = module.types[global.ty].inner.try_size(module.to_ctx());
            size.is_none_or(|size| size > limit)
        })
        .map(|(handle, _)| handle)
        .collect();
    let mut slots = Vec::with_capacity(large.len());
    for handle in large {
        let slot = free_slot(module)?;
        let global = module.global_variables.get_mut(handle);
        global.binding = Some(ResourceBinding {
            group: 0,
            binding: slot,
        });
        global.space = AddressSpace::Storage {
            access: StorageAccess::LOAD,
        };
        slots.push(slot);
    }
    Ok(slots)
}

fn free_slot(module: &Module) -> Result<u32, Box<str>> {
    let taken: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, global)| global.binding)
        .filter(|binding| binding.group == 0)
        .map(|binding| binding.binding)
        .collect();
    (0..MAX_SLOTS)
        .find(|slot| !taken.contains(slot))
        .ok_or_else(|| {
            format!("the inline constants need a slot, and all {MAX_SLOTS} are taken").into()
        })
}
