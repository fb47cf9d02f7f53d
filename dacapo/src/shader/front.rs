use naga::diagnostic_filter::{
    DiagnosticFilter, DiagnosticFilterNode, FilterableTriggeringRule, Severity,
    StandardFilterableTriggeringRule,
};
use naga::front::wgsl::{Frontend, Options};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage, Span};

use super::Target;
use super::diagnostic::Source;

fn capabilities(target: &Target) -> Capabilities {
    let mut all = Capabilities::IMMEDIATES
        // What `unpack2x16float` and its relatives need: arithmetic on f32 alone.
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::MEMORY_DECORATION_COHERENT;
    all.set(Capabilities::SHADER_FLOAT16, target.f16);
    all.set(
        Capabilities::COOPERATIVE_MATRIX,
        target.cooperative_matrix.is_some(),
    );
    all.set(
        Capabilities::SUBGROUP | Capabilities::SUBGROUP_BARRIER,
        target.subgroups,
    );
    all
}

pub(super) fn parse(source: &Source<'_>, target: &Target) -> Result<Module, Box<str>> {
    let mut options = Options::new();
    options.capabilities = capabilities(target);
    Frontend::new_with_options(options)
        .parse(source.text)
        .map_err(|error| {
            error
                .emit_to_string_with_path(source.text, source.kernel)
                .trim_end()
                .into()
        })
}

pub(super) fn validate(
    source: &Source<'_>,
    module: &Module,
    target: &Target,
) -> Result<ModuleInfo, Box<str>> {
    Validator::new(ValidationFlags::all(), capabilities(target))
        .validate(module)
        .map_err(|error| source.explain(&error))
}

/// Makes the validation accept operations that need uniform control flow where naga does not see that it is: as
/// `diagnostic(off, derivative_uniformity);` does, which is also obeyed when overrides have got their values and the
/// module is validated again, with all flags.
pub(super) fn allow_divergence(module: &mut Module) {
    let rule = StandardFilterableTriggeringRule::DerivativeUniformity;
    let off = DiagnosticFilterNode {
        inner: DiagnosticFilter {
            new_severity: Severity::Off,
            triggering_rule: FilterableTriggeringRule::Standard(rule),
        },
        parent: None,
    };
    let off = module.diagnostic_filters.append(off, Span::UNDEFINED);
    module.diagnostic_filter_leaf = Some(off);
    for (_, function) in module.functions.iter_mut() {
        function.diagnostic_filter_leaf = Some(off);
    }
    for entry in &mut module.entry_points {
        entry.function.diagnostic_filter_leaf = Some(off);
    }
}

/// The index of the compute entry point of this name.
pub(super) fn find_entry(module: &Module, name: &str) -> Result<usize, Box<str>> {
    let entries = &module.entry_points;
    let wanted = |stage| {
        entries
            .iter()
            .position(|entry| entry.name == name && stage == (entry.stage == ShaderStage::Compute))
    };
    if let Some(index) = wanted(true) {
        return Ok(index);
    }
    if let Some(index) = wanted(false) {
        let stage = entries[index].stage;
        return Err(format!(
            "entry point {name:?} is of stage {stage:?}; kernels are compute shaders"
        )
        .into());
    }
    let known: Vec<_> = entries
        .iter()
        .filter(|entry| entry.stage == ShaderStage::Compute)
        .map(|entry| format!("{:?}", entry.name))
        .collect();
    Err(match known.is_empty() {
        true => format!("no entry point {name:?}: the text has no compute entry points").into(),
        false => format!("no entry point {name:?}; the text has {}", known.join(", ")).into(),
    })
}
