//! From WGSL to SPIR-V or the Metal Shading Language, and the interface of the kernel, through naga.
//!
//! Errors are texts for the kernel's author: naga's own message with the line of the source, or what was asked
//! and what the source offers.

mod access_chains;
mod diagnostic;
mod front;
mod immediates;
mod matrices;
#[cfg(any(target_vendor = "apple", dacapo_metal_double))]
pub(crate) mod msl;
mod reflect;
mod specialize;
mod spirv;
mod stored;
#[cfg(test)]
mod tests;

use dacapo_reference::{self as reference, Program};
use naga::Module;
use naga::valid::ModuleInfo;

use crate::disk_cache::DiskCache;
use crate::info::CooperativeMatrix;
use crate::kernel::{Interface, Wgsl};
use crate::panics;
use reflect::Reflection;

/// Bytes of the longest text that is compiled.
const MAX_TEXT: usize = 128 << 10;

/// Stack of the compiler's thread: for any text, and for each byte of it. naga walks expressions recursively, and
/// a sum is as deep as it has terms. Unoptimised, `+a+a+a` took 2 to 4 KiB a byte; optimised, less than 1.
const STACK: usize = 2 << 20;
const STACK_PER_BYTE: usize = 4 << 10;

/// What the compiled code may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// Major and minor version of SPIR-V, at least 1.3.
    pub(crate) spirv_version: (u8, u8),
    /// Invocations of a subgroup: the value of `override SUBGROUP_SIZE` where the source sets none.
    pub(crate) subgroup_size: u32,
    /// Arithmetic in half precision, and half-precision elements in storage buffers.
    pub(crate) f16: bool,
    /// Cooperative matrices, with the Vulkan memory model. Code for a device has none of another size; the interpreter
    /// takes all.
    pub(crate) cooperative_matrix: Option<CooperativeMatrix>,
    /// Subgroup operations of all classes except clustered ones, in compute shaders.
    pub(crate) subgroups: bool,
    /// Bytes of push constants. A larger `var<immediate>` becomes a read-only storage buffer.
    pub(crate) max_immediate_bytes: u32,
    /// Joins access chains of access chains, through which the validation layers do not look.
    pub(crate) join_access_chains: bool,
}

/// A compiled kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shader {
    pub(crate) spirv: Vec<u32>,
    /// What the entry point binds; without the buffer behind `inline_slot`.
    pub(crate) interface: Interface,
    /// The slot of the storage buffer that the inline constants come from, where they are too many for push
    /// constants.
    pub(crate) inline_slot: Option<u32>,
    pub(crate) uses_subgroups: bool,
}

/// Takes one entry point out of the cache, or compiles it and puts it there.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_with(
    cache: &DiskCache,
    kernel: &str,
    wgsl: &Wgsl,
    target: &Target,
) -> Result<Shader, Box<str>> {
    let key = stored::key(wgsl, target);
    let found = cache.load(key);
    if let Some(shader) = found.and_then(|bytes| stored::decode(&bytes)) {
        return Ok(shader);
    }
    let shader = compile(kernel, wgsl, target)?;
    cache.store(key, &stored::encode(&shader));
    Ok(shader)
}

/// Compiles one entry point.
///
/// # Errors
/// The text says what is wrong with the kernel, or what it needs that the target lacks.
fn compile(kernel: &str, wgsl: &Wgsl, target: &Target) -> Result<Shader, Box<str>> {
    let work = |analysed: &Analysed<'_>| {
        analysed.check_matrices(kernel, wgsl, target)?;
        let spirv = spirv::write(analysed.module, analysed.info, wgsl, target)?;
        Ok(Shader {
            uses_subgroups: spirv::uses_subgroups(&spirv),
            spirv,
            interface: analysed.reflection.interface.clone(),
            inline_slot: analysed.reflection.inline_slot,
        })
    };
    with_stack(wgsl, || {
        analyse(kernel, wgsl, target, Divergence::Refused, work)
    })
}

/// A kernel that the reference interpreter runs.
#[derive(Debug)]
pub(crate) struct Interpreted {
    pub(crate) program: Program,
    /// What the entry point binds.
    pub(crate) interface: Interface,
}

/// Makes one entry point ready for the reference interpreter, which watches where control flow diverges as it runs.
/// With `finite`, it also watches for the first NaN or infinity.
///
/// # Errors
/// The text says what is wrong with the kernel, or what it needs that the target lacks.
pub(crate) fn interpret(
    kernel: &str,
    wgsl: &Wgsl,
    target: &Target,
    finite: bool,
) -> Result<Interpreted, Box<str>> {
    let work = |analysed: &Analysed<'_>| {
        let program = Program::new(&reference::Source {
            name: kernel,
            text: &wgsl.text,
            module: analysed.module,
            info: analysed.info,
            entry: analysed.entry,
            subgroup_size: target.subgroup_size,
            finite,
        })?;
        Ok(Interpreted {
            program,
            interface: analysed.reflection.interface.clone(),
        })
    };
    with_stack(wgsl, || {
        analyse(kernel, wgsl, target, Divergence::Allowed, work)
    })
}

/// Whether operations that need uniform control flow may stand where it can diverge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Divergence {
    Allowed,
    Refused,
}

/// A valid module without overrides, and its entry point.
struct Analysed<'a> {
    module: &'a Module,
    info: &'a ModuleInfo,
    entry: usize,
    reflection: Reflection,
}

impl Analysed<'_> {
    /// Looks for matrices that the device does not multiply.
    fn check_matrices(&self, kernel: &str, wgsl: &Wgsl, target: &Target) -> Result<(), Box<str>> {
        let source = diagnostic::Source {
            kernel,
            text: &wgsl.text,
        };
        let size = target.cooperative_matrix;
        matrices::check(&source, self.module, self.info, self.entry, size)
    }
}

/// Runs the compiler on a thread with enough stack for the text: nested expressions take it. What panics there is an
/// error, for naga does on some odd input that its validator lets pass.
fn with_stack<T: Send>(
    wgsl: &Wgsl,
    work: impl FnOnce() -> Result<T, Box<str>> + Send,
) -> Result<T, Box<str>> {
    let bytes = wgsl.text.len();
    if bytes > MAX_TEXT {
        return Err(format!("{bytes} bytes of WGSL; {MAX_TEXT} are allowed").into());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("dacapo-wgsl".to_owned())
            .stack_size(STACK + bytes * STACK_PER_BYTE)
            .spawn_scoped(scope, work)
            .map_err(|error| format!("starting a thread for the WGSL compiler: {error}"))?;
        thread.join().unwrap_or_else(|payload| {
            let text = panics::into_text(payload);
            Err(
                format!("the WGSL compiler cannot handle this code: it panicked with {text:?}")
                    .into(),
            )
        })
    })
}

/// Does what comes before code is written, and then `work`.
fn analyse<T>(
    kernel: &str,
    wgsl: &Wgsl,
    target: &Target,
    divergence: Divergence,
    work: impl FnOnce(&Analysed<'_>) -> Result<T, Box<str>>,
) -> Result<T, Box<str>> {
    let source = diagnostic::Source {
        kernel,
        text: &wgsl.text,
    };
    let mut module = front::parse(&source, target)?;
    front::find_entry(&module, &wgsl.entry)?;
    let moved = immediates::move_large(&mut module, target.max_immediate_bytes)?;
    if divergence == Divergence::Allowed {
        front::allow_divergence(&mut module);
    }
    let info = front::validate(&source, &module, target)?;
    let (module, info) = specialize::specialize(&source, &module, &info, wgsl, target)?;
    let entry = front::find_entry(&module, &wgsl.entry)?;
    let reflection = reflect::reflect(&source, &module, &info, entry, &moved)?;
    work(&Analysed {
        module: &module,
        info: &info,
        entry,
        reflection,
    })
}

/// Any bytes as the entry of a compiled kernel.
#[cfg(fuzzing)]
pub(crate) fn fuzz_stored(bytes: &[u8]) {
    if let Some(shader) = stored::decode(bytes) {
        assert_eq!(stored::encode(&shader), bytes);
    }
}
