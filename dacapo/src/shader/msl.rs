//! From WGSL to the Metal Shading Language.
//!
//! Buffers are numbered without gaps: the bindings in the order of their slots, then the inline constants, then the
//! lengths of buffers.

mod lengths;
mod stored;
#[cfg(test)]
mod tests;

use naga::back::msl::{
    BindTarget, BindingMap, EntryPointResources, Options, PipelineOptions, write_string,
};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::{AddressSpace, ResourceBinding, ShaderStage, TypeInner, VectorSize};

use super::{Analysed, Divergence, Target, analyse, with_stack};
use crate::disk_cache::DiskCache;
use crate::info::CooperativeMatrix;
use crate::kernel::{Interface, Wgsl};

/// Inline constants of more bytes are read like a buffer, which they are to Metal anyway: naga's validation cannot
/// take them.
const MAX_IMMEDIATE_BYTES: u32 = 256;

/// Metal counts threadgroup memory in units of this many bytes.
pub(crate) const THREADGROUP_UNIT: u32 = 16;

/// What the compiled code may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MslTarget {
    /// Major and minor version of the language, at least 2.4.
    pub(crate) language: (u8, u8),
    /// Threads of a SIMD-group: the value of `override SUBGROUP_SIZE` where the source sets none.
    pub(crate) subgroup_size: u32,
    /// Arithmetic in half precision.
    pub(crate) f16: bool,
    /// SIMD-group matrices, and their size.
    pub(crate) cooperative_matrix: Option<CooperativeMatrix>,
    /// SIMD-group functions.
    pub(crate) subgroups: bool,
}

/// A kernel in the Metal Shading Language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MslShader {
    pub(crate) text: String,
    /// The name of the kernel function, which is not always that in the source.
    pub(crate) entry: String,
    /// What the entry point binds.
    pub(crate) interface: Interface,
    pub(crate) inline: Option<InlineArgument>,
    pub(crate) sizes: Option<BufferSizes>,
    /// Bytes of each argument in threadgroup memory, in the order of their indices, each in whole units.
    pub(crate) threadgroup: Vec<u32>,
    pub(crate) uses_subgroups: bool,
}

/// The buffer with the inline constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InlineArgument {
    pub(crate) index: u32,
    /// As many as the interface says, or a little more: a vector of three takes the room of four.
    pub(crate) bytes: u32,
}

/// A buffer that tells a kernel how long others are: a `u32` for each, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BufferSizes {
    pub(crate) index: u32,
    /// Which they are, as positions among the bindings. Those that declaration and code agree on.
    pub(crate) bindings: Vec<u32>,
}

/// Takes one entry point out of the cache, or compiles it and puts it there. The buffers are numbered by what
/// `declared` and the code agree on.
///
/// # Errors
/// The text says what is wrong with the kernel, or what it needs that the target lacks.
pub(crate) fn compile_with(
    cache: &DiskCache,
    kernel: &str,
    wgsl: &Wgsl,
    declared: &Interface,
    target: &MslTarget,
) -> Result<MslShader, Box<str>> {
    let key = stored::key(wgsl, declared, target);
    let found = cache.load(key);
    if let Some(shader) = found.and_then(|bytes| stored::decode(&bytes)) {
        return Ok(shader);
    }
    let shader = compile(kernel, wgsl, declared, target)?;
    cache.store(key, &stored::encode(&shader));
    Ok(shader)
}

fn compile(
    kernel: &str,
    wgsl: &Wgsl,
    declared: &Interface,
    target: &MslTarget,
) -> Result<MslShader, Box<str>> {
    let common = Target {
        // Not read on this way.
        spirv_version: (1, 5),
        join_access_chains: false,
        subgroup_size: target.subgroup_size,
        f16: target.f16,
        cooperative_matrix: target.cooperative_matrix,
        subgroups: target.subgroups,
        max_immediate_bytes: MAX_IMMEDIATE_BYTES,
    };
    let work = |analysed: &Analysed<'_>| {
        analysed.check_matrices(kernel, wgsl, &common)?;
        write(analysed, wgsl, declared, target)
    };
    with_stack(wgsl, || {
        analyse(kernel, wgsl, &common, Divergence::Refused, work)
    })
}

fn write(
    analysed: &Analysed<'_>,
    wgsl: &Wgsl,
    declared: &Interface,
    target: &MslTarget,
) -> Result<MslShader, Box<str>> {
    let code = &analysed.reflection.interface;
    let agreed = declared.agreed(code)?;
    let bindings = agreed.bindings.len() as u32;
    let inline = (code.inline_bytes > 0).then(|| InlineArgument {
        index: bindings,
        bytes: inline_bytes(analysed),
    });
    let sizes = BufferSizes {
        index: bindings + u32::from(inline.is_some()),
        bindings: measured(analysed, &agreed),
    };
    let entry = PipelineOptions {
        entry_point: Some((ShaderStage::Compute, wgsl.entry.clone().into_owned())),
        ..PipelineOptions::default()
    };
    let resources = EntryPointResources {
        resources: numbered(analysed, &agreed, inline),
        immediates_buffer: inline.map(|inline| inline.index as u8),
        sizes_buffer: Some(sizes.index as u8),
    };
    let options = options(wgsl, target, resources);
    let (text, names) = write_string(analysed.module, analysed.info, &options, &entry)
        .map_err(|error| error.to_string())?;
    let text = lengths::without_unused(text);
    let name = (names.entry_point_names.into_iter().next())
        .ok_or_else(|| format!("the entry point {:?} was not written", wgsl.entry))?
        .map_err(|error| error.to_string())?;
    Ok(MslShader {
        uses_subgroups: uses_subgroups(&text),
        sizes: lengths::are_taken(&text).then_some(sizes),
        text,
        entry: name,
        interface: code.clone(),
        inline,
        threadgroup: threadgroup(analysed),
    })
}

/// Which buffer each binding is.
fn numbered(
    analysed: &Analysed<'_>,
    agreed: &Interface,
    inline: Option<InlineArgument>,
) -> BindingMap {
    let moved = analysed.reflection.inline_slot;
    let moved = moved.zip(inline.map(|inline| inline.index));
    let slots = agreed.bindings.iter().map(|binding| binding.slot).zip(0..);
    (slots.chain(moved))
        .map(|(slot, index)| {
            let place = ResourceBinding {
                group: 0,
                binding: slot,
            };
            let target = BindTarget {
                buffer: Some(index as u8),
                ..BindTarget::default()
            };
            (place, target)
        })
        .collect()
}

/// Bytes of the inline constants as the text lays them out.
fn inline_bytes(analysed: &Analysed<'_>) -> u32 {
    let module = analysed.module;
    let vector = module.global_variables.iter().find_map(|(_, global)| {
        match module.types[global.ty].inner {
            TypeInner::Vector {
                size: VectorSize::Tri,
                scalar,
            } if global.space == AddressSpace::Immediate => Some(4 * u32::from(scalar.width)),
            _ => None,
        }
    });
    vector.unwrap_or(analysed.reflection.interface.inline_bytes)
}

/// The bindings whose lengths naga passes on, as positions among all: those of arrays without a length, in the
/// order in which the source declares them.
fn measured(analysed: &Analysed<'_>, agreed: &Interface) -> Vec<u32> {
    let module = analysed.module;
    let globals = module.global_variables.iter().map(|(_, global)| global);
    globals
        .filter(|global| {
            let inner = &module.types[global.ty].inner;
            inner.needs_host_buffer_byte_size(&module.types)
        })
        .map(|global| {
            let slot = global.binding.map(|binding| binding.binding);
            let mut bindings = agreed.bindings.iter();
            let found = bindings.position(|binding| Some(binding.slot) == slot);
            // One that the entry point does not use has its place, and nobody reads what is there.
            found.unwrap_or(0) as u32
        })
        .collect()
}

fn options(wgsl: &Wgsl, target: &MslTarget, resources: EntryPointResources) -> Options {
    let trusted = wgsl.trusted;
    let checked = |policy| match trusted {
        true => BoundsCheckPolicy::Unchecked,
        false => policy,
    };
    Options {
        lang_version: target.language,
        per_entry_point_map: [(wgsl.entry.clone().into_owned(), resources)].into(),
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies {
            index: checked(BoundsCheckPolicy::Restrict),
            buffer: checked(BoundsCheckPolicy::ReadZeroSkipWrite),
            image_load: checked(BoundsCheckPolicy::Restrict),
            binding_array: checked(BoundsCheckPolicy::Restrict),
        },
        zero_initialize_workgroup_memory: !trusted,
        force_loop_bounding: !trusted,
        emit_int_div_checks: !trusted,
        ..Options::default()
    }
}

/// Bytes of the workgroup variables that the entry point uses, each of which is an argument.
fn threadgroup(analysed: &Analysed<'_>) -> Vec<u32> {
    let module = analysed.module;
    let uses = analysed.info.get_entry_point(analysed.entry);
    let used = module.global_variables.iter().filter(|(handle, global)| {
        global.space == AddressSpace::WorkGroup && !uses[*handle].is_empty()
    });
    used.map(|(_, global)| {
        let bytes = module.types[global.ty].inner.try_size(module.to_ctx());
        let bytes = bytes.and_then(|bytes| bytes.checked_next_multiple_of(THREADGROUP_UNIT));
        bytes.unwrap_or(u32::MAX)
    })
    .collect()
}

/// Whether the code depends on how threads form SIMD-groups. Names in the source cannot look like these: `::` and
/// `]]` come from naga alone.
fn uses_subgroups(text: &str) -> bool {
    [
        "metal::simd_",
        "metal::quad_",
        "metal::simdgroup_",
        "_in_simdgroup]]",
        "_per_simdgroup]]",
        "[[simdgroup",
    ]
    .iter()
    .any(|part| text.contains(part))
}
