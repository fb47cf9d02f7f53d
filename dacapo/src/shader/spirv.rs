use naga::back::spv::{
    Capability, Error, Options, PipelineOptions, WriterFlags, ZeroInitializeWorkgroupMemoryMode,
    write_vec,
};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::ModuleInfo;
use naga::{FastHashSet, Module, ShaderStage};

use super::{Target, access_chains};
use crate::kernel::Wgsl;

pub(super) fn write(
    module: &Module,
    info: &ModuleInfo,
    wgsl: &Wgsl,
    target: &Target,
) -> Result<Vec<u32>, Box<str>> {
    let entry = PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: wgsl.entry.clone().into_owned(),
    };
    let write = |buffers| {
        let options = options(wgsl.trusted, buffers, target);
        write_vec(module, info, &options, Some(&entry))
    };
    let words = match wgsl.trusted {
        true => write(BoundsCheckPolicy::Unchecked),
        // naga cannot skip atomic operations that are out of bounds; it can move them inside.
        false => match write(BoundsCheckPolicy::ReadZeroSkipWrite) {
            Err(Error::FeatureNotImplemented(_)) => write(BoundsCheckPolicy::Restrict),
            other => other,
        },
    };
    let mut words = words.map_err(|error| error.to_string())?;
    if target.f16 {
        words = without_uniform_f16(&words);
    }
    Ok(match target.join_access_chains {
        true => access_chains::join(&words),
        false => words,
    })
}

fn options(trusted: bool, buffers: BoundsCheckPolicy, target: &Target) -> Options<'static> {
    let others = match trusted {
        true => BoundsCheckPolicy::Unchecked,
        false => BoundsCheckPolicy::Restrict,
    };
    Options {
        lang_version: target.spirv_version,
        flags: WriterFlags::empty(),
        capabilities: Some(capabilities(target)),
        bounds_check_policies: BoundsCheckPolicies {
            index: others,
            buffer: buffers,
            image_load: others,
            binding_array: others,
        },
        // The other way than `Polyfill` needs a device feature.
        zero_initialize_workgroup_memory: match trusted {
            true => ZeroInitializeWorkgroupMemoryMode::None,
            false => ZeroInitializeWorkgroupMemoryMode::Polyfill,
        },
        force_loop_bounding: !trusted,
        emit_int_div_checks: !trusted,
        // The default asks for a capability that many devices lack.
        use_storage_input_output_16: false,
        ..Options::default()
    }
}

fn capabilities(target: &Target) -> FastHashSet<Capability> {
    let mut all = FastHashSet::default();
    all.extend([Capability::Shader, Capability::Matrix]);
    if target.f16 {
        all.extend([
            Capability::Float16,
            Capability::StorageBuffer16BitAccess,
            Capability::UniformAndStorageBuffer16BitAccess,
        ]);
    }
    if target.cooperative_matrix.is_some() {
        all.extend([
            Capability::CooperativeMatrixKHR,
            Capability::VulkanMemoryModel,
        ]);
    }
    if target.subgroups {
        all.extend(SUBGROUPS);
    }
    all
}

const SUBGROUPS: [Capability; 7] = [
    Capability::GroupNonUniform,
    Capability::GroupNonUniformVote,
    Capability::GroupNonUniformArithmetic,
    Capability::GroupNonUniformBallot,
    Capability::GroupNonUniformShuffle,
    Capability::GroupNonUniformShuffleRelative,
    Capability::GroupNonUniformQuad,
];

/// Removes what naga asks for with every `f16` and devices may lack: half floats in uniform buffers, which no
/// kernel has.
fn without_uniform_f16(words: &[u32]) -> Vec<u32> {
    let unused = Capability::UniformAndStorageBuffer16BitAccess as u32;
    let mut out = words[..HEADER.min(words.len())].to_vec();
    for (op, instruction) in instructions(words) {
        if (op, instruction.get(1)) != (OP_CAPABILITY, Some(&unused)) {
            out.extend_from_slice(instruction);
        }
    }
    out
}

/// Words before the first instruction.
pub(super) const HEADER: usize = 5;

const OP_CAPABILITY: u32 = 17;

/// Instructions of a module: their opcodes and words. Stops at an instruction whose length cannot be.
pub(super) fn instructions(words: &[u32]) -> impl Iterator<Item = (u32, &[u32])> {
    let mut rest = words.get(HEADER..).unwrap_or_default();
    core::iter::from_fn(move || {
        let first = *rest.first()?;
        let (instruction, after) = rest.split_at_checked((first >> 16) as usize)?;
        rest = after;
        (!instruction.is_empty()).then_some((first & 0xffff, instruction))
    })
}

pub(super) fn uses_subgroups(words: &[u32]) -> bool {
    instructions(words)
        .take_while(|(op, _)| *op == OP_CAPABILITY)
        .any(|(_, words)| SUBGROUPS.iter().any(|known| *known as u32 == words[1]))
}
