//! From a file's text to a module.

use std::collections::BTreeMap;

use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::front::wgsl::{Frontend, Options};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};

/// A valid module and what is known about it.
pub(crate) struct Compiled {
    pub(crate) module: Module,
    pub(crate) info: ModuleInfo,
}

/// Parses and validates it. That barriers are reached by all is not checked here: it is what the checker is for.
pub(crate) fn compile(text: &str) -> Result<Compiled, String> {
    let mut options = Options::new();
    options.capabilities = capabilities();
    let mut frontend = Frontend::new_with_options(options);
    let module = frontend
        .parse(text)
        .map_err(|error| error.emit_to_string(text))?;
    let flags = ValidationFlags::all() - ValidationFlags::CONTROL_FLOW_UNIFORMITY;
    let info = Validator::new(flags, capabilities()).validate(&module);
    let info = info.map_err(|error| error.emit_to_string(text))?;
    Ok(Compiled { module, info })
}

impl Compiled {
    /// With values for the overrides of an entry point.
    pub(crate) fn specialize(
        &self,
        entry: &str,
        values: &BTreeMap<String, f64>,
    ) -> Result<Compiled, String> {
        let values: PipelineConstants = values
            .iter()
            .map(|(name, value)| (name.clone(), *value))
            .collect();
        let stage = Some((ShaderStage::Compute, entry));
        let done = process_overrides(&self.module, &self.info, stage, &values);
        let (module, info) = done.map_err(|error| format!("overrides: {error}"))?;
        Ok(Compiled {
            module: module.into_owned(),
            info: info.into_owned(),
        })
    }

    pub(crate) fn entry(&self, name: &str) -> Result<usize, String> {
        let found = self
            .module
            .entry_points
            .iter()
            .position(|entry| entry.name == name);
        found.ok_or_else(|| format!("no entry point {name:?}"))
    }
}

fn capabilities() -> Capabilities {
    Capabilities::IMMEDIATES
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SUBGROUP
        | Capabilities::SUBGROUP_BARRIER
}
