//! What the tests of the MSL engine share.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(unsafe_code, reason = "running a kernel is unsafe")]

use std::sync::Arc;

use metal_double::msl::{Arguments, CompileOptions, Constant, Function, Grid, Library, Watch};

pub const OPTIONS: CompileOptions = CompileOptions {
    language: (3, 1),
    fast_math: false,
};

/// MSL as a backend would have it written: buffers by binding, immediates at 30, lengths at 29.
pub fn msl(wgsl: &str) -> String {
    try_msl(wgsl).unwrap_or_else(|e| panic!("{e}"))
}

pub fn try_msl(wgsl: &str) -> Result<String, String> {
    msl_with(wgsl, false)
}

/// With `checked`, accesses out of bounds read zero and write nothing, and workgroup memory begins as zero.
pub fn msl_with(wgsl: &str, checked: bool) -> Result<String, String> {
    let policy = if checked {
        naga::proc::BoundsCheckPolicy::ReadZeroSkipWrite
    } else {
        naga::proc::BoundsCheckPolicy::Unchecked
    };
    let mut front = naga::front::wgsl::Frontend::new();
    let module = front.parse(wgsl).map_err(|e| e.emit_to_string(wgsl))?;
    let mut validator = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all() - naga::valid::ValidationFlags::CONTROL_FLOW_UNIFORMITY,
        naga::valid::Capabilities::all(),
    );
    let info = validator
        .subgroup_stages(naga::valid::ShaderStages::all())
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(wgsl))?;
    let mut resources = naga::back::msl::EntryPointResources {
        immediates_buffer: Some(30),
        sizes_buffer: Some(29),
        ..Default::default()
    };
    for (_, variable) in module.global_variables.iter() {
        if let Some(binding) = variable.binding {
            let target = naga::back::msl::BindTarget {
                buffer: Some(binding.binding as u8),
                mutable: true,
                ..Default::default()
            };
            resources.resources.insert(binding, target);
        }
    }
    let options = naga::back::msl::Options {
        lang_version: (3, 1),
        per_entry_point_map: module
            .entry_points
            .iter()
            .map(|e| (e.name.clone(), resources.clone()))
            .collect(),
        zero_initialize_workgroup_memory: checked,
        bounds_check_policies: naga::proc::BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: policy,
        },
        force_loop_bounding: true,
        ..Default::default()
    };
    let (text, _) = naga::back::msl::write_string(&module, &info, &options, &Default::default())
        .map_err(|e| e.to_string())?;
    Ok(text)
}

pub fn library(text: &str) -> Arc<Library> {
    Library::compile(text, &OPTIONS).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

pub fn function(text: &str, name: &str, constants: &[(u32, Constant)]) -> Arc<Function> {
    library(text)
        .function(name, constants)
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The only function of a text that was written in WGSL.
pub fn only(wgsl: &str) -> Arc<Function> {
    let text = msl(wgsl);
    let library = library(&text);
    let name = library.functions()[0].name.clone();
    library
        .function(&name, &[])
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
}

pub fn bytes<T: Copy>(values: &[T]) -> Vec<u8> {
    // SAFETY: the tests use plain numbers.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }.to_vec()
}

pub fn values<T: Copy>(bytes: &[u8]) -> Vec<T> {
    // SAFETY: the tests use plain numbers; the bytes need not be aligned.
    let read = |chunk: &[u8]| unsafe { chunk.as_ptr().cast::<T>().read_unaligned() };
    bytes.chunks_exact(size_of::<T>()).map(read).collect()
}

/// A call being put together: buffers by index, then the grid.
pub struct Call {
    function: Arc<Function>,
    buffers: Vec<(usize, Vec<u8>)>,
    threadgroup: [usize; 31],
}

impl Call {
    pub fn of(function: &Arc<Function>) -> Self {
        let mut threadgroup = [0; 31];
        for argument in function.threadgroups() {
            threadgroup[argument.index as usize] = argument.bytes.unwrap_or(0) as usize;
        }
        Self {
            function: function.clone(),
            buffers: Vec::new(),
            threadgroup,
        }
    }

    pub fn buffer<T: Copy>(mut self, index: usize, values: &[T]) -> Self {
        self.buffers.push((index, bytes(values)));
        self
    }

    /// Gives the byte lengths of the buffers so far, which runtime-sized arrays need.
    pub fn lengths(mut self) -> Self {
        let lengths: Vec<u32> = self
            .buffers
            .iter()
            .map(|(_, bytes)| bytes.len() as u32)
            .collect();
        self.buffers.push((29, bytes(&lengths)));
        self
    }

    pub fn threadgroup(mut self, index: usize, length: usize) -> Self {
        self.threadgroup[index] = length;
        self
    }

    /// Address and length of every buffer, in the order they were given.
    pub fn places(&self) -> Vec<(usize, usize)> {
        self.buffers
            .iter()
            .map(|(_, bytes)| (bytes.as_ptr() as usize, bytes.len()))
            .collect()
    }

    pub fn run(self, groups: u32, threads: u32) -> Result<Done, String> {
        self.run_grid(
            &Grid {
                groups: [groups, 1, 1],
                threads_per_group: [threads, 1, 1],
                threads: None,
            },
            None,
        )
    }

    pub fn run_grid(mut self, grid: &Grid, watch: Option<&mut dyn Watch>) -> Result<Done, String> {
        let mut arguments = Arguments {
            buffers: [std::ptr::null_mut(); 31],
            threadgroup: self.threadgroup,
        };
        for (index, bytes) in &mut self.buffers {
            arguments.buffers[*index] = bytes.as_mut_ptr();
        }
        // SAFETY: the test gives every buffer that the kernel declares, as long as it accesses it.
        unsafe { self.function.run(grid, &arguments, watch)? };
        Ok(Done(self.buffers))
    }
}

/// Buffers after a run.
#[derive(Debug)]
pub struct Done(pub Vec<(usize, Vec<u8>)>);

impl Done {
    pub fn get<T: Copy>(&self, index: usize) -> Vec<T> {
        let (_, bytes) = self
            .0
            .iter()
            .find(|(at, _)| *at == index)
            .expect("a buffer of the call");
        values(bytes)
    }
}
