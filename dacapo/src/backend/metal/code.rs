//! Compiles texts in the Metal Shading Language.
#![allow(unsafe_code, reason = "hands values to Metal")]

use core::ffi::c_void;
use core::ptr::NonNull;

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::{NSObjectProtocol, ProtocolObject};
use objc2::sel;
use objc2_foundation::NSString;
use objc2_metal::{
    MTLCompileOptions, MTLComputePipelineDescriptor, MTLDataType, MTLDevice, MTLFunction,
    MTLFunctionConstantValues, MTLLibrary, MTLMathFloatingPointFunctions, MTLMathMode,
};

use crate::backend::metal::fault;
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::object::{PipelineState, Shared};
use crate::kernel::{MslConstant, MslValue};

/// A kernel function.
pub(super) struct Code<'a> {
    /// What tools call it.
    pub(super) label: &'a str,
    pub(super) text: &'a str,
    /// The function's name.
    pub(super) entry: &'a str,
    pub(super) constants: &'a [(MslConstant, MslValue)],
    /// Threads of the largest workgroup that it runs with.
    pub(super) threads: usize,
}

/// Compiles a kernel function, or takes it from the cache.
///
/// # Errors
/// What Metal's compiler says about the text.
pub(super) fn build(gpu: &Gpu, code: &Code<'_>) -> Result<PipelineState, Box<str>> {
    autoreleasepool(|_| {
        let library = library(gpu, code)?;
        let function = function(&library, code)?;
        let descriptor = MTLComputePipelineDescriptor::new();
        descriptor.setLabel(Some(&NSString::from_str(code.label)));
        descriptor.setComputeFunction(Some(&function));
        descriptor.setMaxTotalThreadsPerThreadgroup(code.threads);
        descriptor.setSupportIndirectCommandBuffers(gpu.features.indirect);
        let state = gpu.cache.compile(&gpu.device, &descriptor);
        let state = state.map_err(|error| fault::text(&error))?;
        // SAFETY: pipeline states do not change.
        Ok(unsafe { Shared::new(state) })
    })
}

type Library = Retained<ProtocolObject<dyn MTLLibrary>>;
type Function = Retained<ProtocolObject<dyn MTLFunction>>;

fn library(gpu: &Gpu, code: &Code<'_>) -> Result<Library, Box<str>> {
    let options = MTLCompileOptions::new();
    options.setLanguageVersion(gpu.features.language_version());
    exact(&options);
    let library = gpu
        .device
        .newLibraryWithSource_options_error(&NSString::from_str(code.text), Some(&options))
        .map_err(|error| fault::text(&error))?;
    library.setLabel(Some(&NSString::from_str(code.label)));
    Ok(library)
}

/// Kernels compute as they are written: sums keep their order, and NaN and infinity are told from numbers.
fn exact(options: &MTLCompileOptions) {
    if options.respondsToSelector(sel!(setMathMode:)) {
        options.setMathMode(MTLMathMode::Safe);
    } else {
        #[allow(deprecated, reason = "systems before macOS 15 have nothing else")]
        options.setFastMathEnabled(false);
    }
    if options.respondsToSelector(sel!(setMathFloatingPointFunctions:)) {
        options.setMathFloatingPointFunctions(MTLMathFloatingPointFunctions::Precise);
    }
}

fn function(library: &Library, code: &Code<'_>) -> Result<Function, Box<str>> {
    let name = NSString::from_str(code.entry);
    let names = library.functionNames();
    if !names.iter().any(|known| *known == *name) {
        let mut known: Vec<_> = names
            .iter()
            .map(|known| format!("{:?}", known.to_string()))
            .collect();
        known.sort();
        let entry = code.entry;
        return Err(match known.is_empty() {
            true => format!("no function {entry:?}: the text has no kernel functions").into(),
            false => format!("no function {entry:?}; the text has {}", known.join(", ")).into(),
        });
    }
    match code.constants.is_empty() {
        true => library
            .newFunctionWithName(&name)
            .ok_or_else(|| format!("Metal does not find the function {:?}", code.entry).into()),
        false => library
            .newFunctionWithName_constantValues_error(&name, &values(code.constants))
            .map_err(|error| fault::text(&error).into()),
    }
}

fn values(constants: &[(MslConstant, MslValue)]) -> Retained<MTLFunctionConstantValues> {
    let values = MTLFunctionConstantValues::new();
    for (place, value) in constants {
        let (kind, bytes) = typed(*value);
        let value = NonNull::from(&bytes).cast::<c_void>();
        match place {
            // SAFETY: the value has as many bytes as its type, and is copied. Metal has constants 0 to 65535.
            MslConstant::Index(index) => unsafe {
                values.setConstantValue_type_atIndex(value, kind, usize::from(*index));
            },
            MslConstant::Name(name) => {
                let name = NSString::from_str(name);
                // SAFETY: as above.
                unsafe { values.setConstantValue_type_withName(value, kind, &name) };
            }
        }
    }
    values
}

/// A value's type, and its bytes at the beginning of a word.
fn typed(value: MslValue) -> (MTLDataType, [u8; 4]) {
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        word
    };
    match value {
        MslValue::Bool(value) => (MTLDataType::Bool, word(&[u8::from(value)])),
        MslValue::I8(value) => (MTLDataType::Char, word(&value.to_ne_bytes())),
        MslValue::U8(value) => (MTLDataType::UChar, word(&[value])),
        MslValue::I16(value) => (MTLDataType::Short, word(&value.to_ne_bytes())),
        MslValue::U16(value) => (MTLDataType::UShort, word(&value.to_ne_bytes())),
        MslValue::I32(value) => (MTLDataType::Int, value.to_ne_bytes()),
        MslValue::U32(value) => (MTLDataType::UInt, value.to_ne_bytes()),
        MslValue::F16Bits(bits) => (MTLDataType::Half, word(&bits.to_ne_bytes())),
        MslValue::F32Bits(bits) => (MTLDataType::Float, bits.to_ne_bytes()),
    }
}
