//! Whether a kernel can run on Apple's GPUs: what becomes of it in the Metal Shading Language, and their limits.

use naga::back::msl::{
    BindTarget, EntryPointResources, Options, PipelineOptions, supported_capabilities, write_string,
};
use naga::back::pipeline_constants::process_overrides;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Expression, Module, ShaderStage, Statement, TypeInner};

/// Threads of a SIMD-group.
const SUBGROUP_SIZE: f64 = 32.0;
const MAX_THREADS: u32 = 1024;
const MAX_THREADGROUP_BYTES: u32 = 32 << 10;
/// Metal counts threadgroup memory in units of this many bytes.
const THREADGROUP_UNIT: u32 = 16;
const MAX_BUFFERS: usize = 31;

/// The text of a kernel without checks.
///
/// # Errors
/// What the compiler says, or which of the limits the kernel passes.
pub(crate) fn written(text: &str, constants: &[(&str, f64)]) -> Result<String, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let mut validator = Validator::new(ValidationFlags::all(), supported_capabilities());
    let info = validator
        .validate(&module)
        .map_err(|error| error.emit_to_string(text))?;
    let own = text
        .contains("override SUBGROUP_SIZE")
        .then_some(("SUBGROUP_SIZE", SUBGROUP_SIZE));
    let values = constants.iter().copied().chain(own);
    let values = values
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) =
        process_overrides(&module, &info, entry, &values).map_err(|error| format!("{error:?}"))?;
    check_limits(&module, &info)?;
    check_stores(&module, &info)?;
    write(&module, &info)
}

fn write(module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let globals = module.global_variables.iter();
    let bound: Vec<_> = globals.filter_map(|(_, global)| global.binding).collect();
    let count = bound.len();
    // With the inline constants and the lengths.
    if count + 2 > MAX_BUFFERS {
        return Err(format!("{} buffers, of {MAX_BUFFERS}", count + 2));
    }
    let resources = bound.into_iter().zip(0..).map(|(binding, index)| {
        let buffer = Some(index);
        (
            binding,
            BindTarget {
                buffer,
                ..BindTarget::default()
            },
        )
    });
    let resources = EntryPointResources {
        resources: resources.collect(),
        immediates_buffer: Some(count as u8),
        sizes_buffer: Some(count as u8 + 1),
    };
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = Options {
        lang_version: (2, 4),
        per_entry_point_map: [("main".to_owned(), resources)].into(),
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Options::default()
    };
    let entry = PipelineOptions {
        entry_point: Some((ShaderStage::Compute, "main".to_owned())),
        ..PipelineOptions::default()
    };
    let (text, names) =
        write_string(module, info, &options, &entry).map_err(|error| error.to_string())?;
    for name in names.entry_point_names {
        name.map_err(|error| error.to_string())?;
    }
    match text.contains("16x16") {
        true => Err("a type that Metal does not have: a matrix of 16x16".to_owned()),
        false => Ok(text),
    }
}

fn check_limits(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let threads: u32 = module.entry_points[0].workgroup_size.iter().product();
    if threads > MAX_THREADS {
        return Err(format!("{threads} threads, of {MAX_THREADS}"));
    }
    let uses = info.get_entry_point(0);
    let shared = module
        .global_variables
        .iter()
        .filter(|(handle, global)| {
            global.space == AddressSpace::WorkGroup && !uses[*handle].is_empty()
        })
        .map(|(_, global)| {
            let bytes = module.types[global.ty].inner.size(module.to_ctx());
            bytes.next_multiple_of(THREADGROUP_UNIT)
        });
    let shared: u32 = shared.sum();
    match shared > MAX_THREADGROUP_BYTES {
        true => Err(format!(
            "{shared} bytes of threadgroup memory, of {MAX_THREADGROUP_BYTES}"
        )),
        false => Ok(()),
    }
}

/// Refuses stores to an element of a vector that several threads see. WGSL lets them write the whole vector back, and
/// Metal's compiler does, which undoes what another thread has written beside it meanwhile.
fn check_stores(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let helpers = module
        .functions
        .iter()
        .map(|(handle, function)| (function, &info[handle]));
    let main = (&module.entry_points[0].function, info.get_entry_point(0));
    for (function, info) in helpers.chain([main]) {
        let mut blocks = vec![&function.body];
        while let Some(block) = blocks.pop() {
            for statement in block.iter() {
                match statement {
                    Statement::Block(inner) => blocks.push(inner),
                    Statement::If { accept, reject, .. } => blocks.extend([accept, reject]),
                    Statement::Switch { cases, .. } => {
                        blocks.extend(cases.iter().map(|case| &case.body));
                    }
                    Statement::Loop {
                        body, continuing, ..
                    } => blocks.extend([body, continuing]),
                    Statement::Store { pointer, .. } => {
                        let (Expression::Access { base, .. }
                        | Expression::AccessIndex { base, .. }) = function.expressions[*pointer]
                        else {
                            continue;
                        };
                        let inner = info[base].ty.inner_with(&module.types);
                        if is_shared_vector(module, inner) {
                            let name = function.name.as_deref().unwrap_or("main");
                            return Err(format!("{name} writes to an element of a shared vector"));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn is_shared_vector(module: &Module, pointer: &TypeInner) -> bool {
    let (is_vector, space) = match *pointer {
        TypeInner::Pointer { base, space } => {
            let inner = &module.types[base].inner;
            (matches!(inner, TypeInner::Vector { .. }), space)
        }
        TypeInner::ValuePointer { size, space, .. } => (size.is_some(), space),
        _ => return false,
    };
    let is_shared = matches!(
        space,
        AddressSpace::WorkGroup | AddressSpace::Storage { .. }
    );
    is_vector && is_shared
}
