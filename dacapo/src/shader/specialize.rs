use std::borrow::Cow;

use naga::back::PipelineConstants;
use naga::back::pipeline_constants::{PipelineConstantError, process_overrides};
use naga::valid::ModuleInfo;
use naga::{Module, Override, Scalar, ScalarKind, ShaderStage, TypeInner};

use super::Target;
use super::diagnostic::Source;
use crate::kernel::Wgsl;

/// The override that gets the device's subgroup size by itself.
const SUBGROUP_SIZE: &str = "SUBGROUP_SIZE";

/// Gives the overrides their values.
pub(super) fn specialize<'a>(
    source: &Source<'_>,
    module: &'a Module,
    info: &'a ModuleInfo,
    wgsl: &Wgsl,
    target: &Target,
) -> Result<(Cow<'a, Module>, Cow<'a, ModuleInfo>), Box<str>> {
    let mut values = PipelineConstants::default();
    for (name, bits) in &wgsl.constants {
        let found = find(module, name).ok_or_else(|| unknown(module, name))?;
        let value = f64::from_bits(*bits);
        if !fits(module, found, value) {
            let ty = type_name(module, found);
            return Err(format!("override {name:?} of type {ty} cannot be {value}").into());
        }
        values.insert(key(found), value);
    }
    if let Some(found) = find(module, SUBGROUP_SIZE) {
        values
            .entry(key(found))
            .or_insert(f64::from(target.subgroup_size));
    }
    let entry = Some((ShaderStage::Compute, &*wgsl.entry));
    process_overrides(module, info, entry, &values).map_err(|error| match error {
        PipelineConstantError::MissingValue(key) => missing(module, &key),
        PipelineConstantError::ValidationError(error) => format!(
            "{}\n = with the overrides {}",
            source.explain(&error),
            listed(&values)
        )
        .into(),
        error => format!("{error}, with the overrides {}", listed(&values)).into(),
    })
}

fn find<'a>(module: &'a Module, name: &str) -> Option<&'a Override> {
    module
        .overrides
        .iter()
        .map(|(_, found)| found)
        .find(|found| found.name.as_deref() == Some(name))
}

/// What naga calls it.
fn key(found: &Override) -> String {
    match (found.id, &found.name) {
        (Some(id), _) => id.to_string(),
        (None, Some(name)) => name.clone(),
        (None, None) => String::new(),
    }
}

fn scalar(module: &Module, found: &Override) -> Option<Scalar> {
    match module.types[found.ty].inner {
        TypeInner::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}

fn fits(module: &Module, found: &Override, value: f64) -> bool {
    let Some(Scalar { kind, width }) = scalar(module, found) else {
        return true;
    };
    let bits = i32::from(width) * 8;
    let whole = |low: f64, high: f64| value.fract() == 0.0 && (low..high).contains(&value);
    match kind {
        ScalarKind::Uint => whole(0.0, 2f64.powi(bits)),
        ScalarKind::Sint => whole(-2f64.powi(bits - 1), 2f64.powi(bits - 1)),
        ScalarKind::Float if width == 2 => value.abs() < 65520.0,
        ScalarKind::Float if width == 4 => value.is_finite() && (value as f32).is_finite(),
        ScalarKind::Bool => value == 0.0 || value == 1.0,
        _ => value.is_finite(),
    }
}

fn type_name(module: &Module, found: &Override) -> &'static str {
    match scalar(module, found) {
        Some(Scalar::BOOL) => "bool",
        Some(Scalar::I32) => "i32",
        Some(Scalar::U32) => "u32",
        Some(Scalar::F16) => "f16",
        Some(Scalar::F32) => "f32",
        _ => "another kind",
    }
}

fn unknown(module: &Module, name: &str) -> Box<str> {
    let known: Vec<_> = module
        .overrides
        .iter()
        .filter_map(|(_, found)| found.name.as_deref())
        .map(|name| format!("{name:?}"))
        .collect();
    match known.is_empty() {
        true => format!("no override {name:?}: the text has no overrides").into(),
        false => format!("no override {name:?}; the text has {}", known.join(", ")).into(),
    }
}

fn missing(module: &Module, key_of: &str) -> Box<str> {
    let name = module
        .overrides
        .iter()
        .find(|(_, found)| key(found) == key_of)
        .and_then(|(_, found)| found.name.as_deref())
        .unwrap_or(key_of);
    format!(
        "override {name:?} has no value: neither a default in the text nor a constant of this name"
    )
    .into()
}

fn listed(values: &PipelineConstants) -> String {
    let mut all: Vec<_> = values
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    all.sort();
    format!("{{{}}}", all.join(", "))
}
