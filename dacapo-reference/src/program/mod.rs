//! From naga's IR to operations on rows.

use std::sync::Arc;

/// A kernel ready to run.
#[derive(Debug)]
pub struct Program {
    name: Arc<str>,
}

/// What a program is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The kernel's name, for reports.
    pub name: &'a str,
    /// The WGSL that the module was parsed from.
    pub text: &'a str,
    /// The module, validated, without overrides.
    pub module: &'a naga::Module,
    /// What the validation found out.
    pub info: &'a naga::valid::ModuleInfo,
    /// Which of its entry points, a compute shader.
    pub entry: usize,
    /// Invocations of a subgroup: a power of two from 1 to 128.
    pub subgroup_size: u32,
    /// Whether results are watched for the first NaN or infinity.
    pub finite: bool,
}

impl Program {
    /// Makes a kernel ready.
    ///
    /// # Errors
    /// What the kernel uses that cannot be run, with its place in the text.
    pub fn new(source: &Source<'_>) -> Result<Program, String> {
        Ok(Program {
            name: source.name.into(),
        })
    }

    /// The kernel's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
