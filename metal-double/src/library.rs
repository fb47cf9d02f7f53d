//! Libraries and functions: MSL text that the engine in [`crate::msl`] compiles.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr::NonNull;
use std::sync::Arc;

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSArray, NSRange, NSString};
use objc2_metal::{
    MTLDataType, MTLDevice, MTLFunction, MTLFunctionType, MTLLanguageVersion, MTLLibrary,
    MTLLibraryError, MTLLibraryOptimizationLevel, MTLMathMode,
};

use crate::counts::{self, Count};
use crate::device::Device;
use crate::errors::{ErrorSlot, refuse};
use crate::faults::{Call, strikes};
use crate::ledger::{Class, Live};
use crate::msl;
use crate::object::{Owned, made_by_name, make};
use crate::root::Root;
use crate::rules;

const DOMAIN: &str = "MTLLibraryErrorDomain";

/// Makes the classes that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = (CompileOptions::class(), FunctionConstantValues::class());
}

#[derive(Debug)]
pub(crate) struct Options {
    version: Cell<MTLLanguageVersion>,
    math: Cell<MTLMathMode>,
    level: Cell<MTLLibraryOptimizationLevel>,
    invariance: Cell<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Cell::new(MTLLanguageVersion::Version3_1),
            math: Cell::new(MTLMathMode::Fast),
            level: Cell::new(MTLLibraryOptimizationLevel::Default),
            invariance: Cell::new(false),
        }
    }
}

made_by_name!(CompileOptions, "MTLCompileOptions", Options, {
    #[unsafe(method(languageVersion))]
    fn language_version(&self) -> MTLLanguageVersion {
        self.ivars().version.get()
    }

    #[unsafe(method(setLanguageVersion:))]
    fn set_language_version(&self, version: MTLLanguageVersion) {
        self.ivars().version.set(version);
    }

    #[unsafe(method(fastMathEnabled))]
    fn fast_math(&self) -> bool {
        self.ivars().math.get() == MTLMathMode::Fast
    }

    #[unsafe(method(setFastMathEnabled:))]
    fn set_fast_math(&self, on: bool) {
        self.ivars().math.set(if on {
            MTLMathMode::Fast
        } else {
            MTLMathMode::Safe
        });
    }

    #[unsafe(method(mathMode))]
    fn math_mode(&self) -> MTLMathMode {
        self.ivars().math.get()
    }

    #[unsafe(method(setMathMode:))]
    fn set_math_mode(&self, mode: MTLMathMode) {
        self.ivars().math.set(mode);
    }

    #[unsafe(method(optimizationLevel))]
    fn optimization_level(&self) -> MTLLibraryOptimizationLevel {
        self.ivars().level.get()
    }

    #[unsafe(method(setOptimizationLevel:))]
    fn set_optimization_level(&self, level: MTLLibraryOptimizationLevel) {
        self.ivars().level.set(level);
    }

    #[unsafe(method(preserveInvariance))]
    fn preserve_invariance(&self) -> bool {
        self.ivars().invariance.get()
    }

    #[unsafe(method(setPreserveInvariance:))]
    fn set_preserve_invariance(&self, on: bool) {
        self.ivars().invariance.set(on);
    }
});

/// A value for a function constant: the bytes of a type.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    at: At,
    kind: MTLDataType,
    bytes: [u8; 8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Index(usize),
    Name(String),
}

/// Bytes of a scalar type that constants can have.
fn scalar_size(kind: MTLDataType) -> Option<usize> {
    Some(match kind {
        MTLDataType::Bool | MTLDataType::Char | MTLDataType::UChar => 1,
        MTLDataType::Short | MTLDataType::UShort | MTLDataType::Half | MTLDataType::BFloat => 2,
        MTLDataType::Int | MTLDataType::UInt | MTLDataType::Float => 4,
        MTLDataType::Long | MTLDataType::ULong => 8,
        _ => return None,
    })
}

made_by_name!(
    FunctionConstantValues,
    "MTLFunctionConstantValues",
    RefCell<Vec<Given>>,
    {
        #[unsafe(method(setConstantValue:type:atIndex:))]
        fn set_at_index(&self, value: NonNull<c_void>, kind: MTLDataType, index: usize) {
            self.set(
                value,
                kind,
                At::Index(index),
                "-[MTLFunctionConstantValues setConstantValue:type:atIndex:]",
            );
        }

        #[unsafe(method(setConstantValue:type:withName:))]
        fn set_with_name(&self, value: NonNull<c_void>, kind: MTLDataType, name: &NSString) {
            let place = "-[MTLFunctionConstantValues setConstantValue:type:withName:]";
            self.set(value, kind, At::Name(name.to_string()), place);
        }

        #[unsafe(method(setConstantValues:type:withRange:))]
        fn set_range(&self, values: NonNull<c_void>, kind: MTLDataType, range: NSRange) {
            let place = "-[MTLFunctionConstantValues setConstantValues:type:withRange:]";
            for i in 0..range.length {
                let stride = scalar_size(kind).unwrap_or(0);
                // SAFETY: the caller gives as many values as the range is long.
                let value = unsafe { values.byte_add(i * stride) };
                self.set(value, kind, At::Index(range.location + i), place);
            }
        }

        #[unsafe(method(reset))]
        fn reset(&self) {
            self.ivars().borrow_mut().clear();
        }
    }
);

impl FunctionConstantValues {
    fn set(&self, value: NonNull<c_void>, kind: MTLDataType, at: At, place: &str) {
        let Some(size) = scalar_size(kind) else {
            rules::fail(
                place,
                format_args!(
                    "type ({}) is not a scalar type that this device knows",
                    kind.0
                ),
            );
            return;
        };
        let mut bytes = [0; 8];
        // SAFETY: the caller gives a value of the type.
        unsafe {
            value
                .cast::<u8>()
                .copy_to_nonoverlapping(NonNull::from(&mut bytes).cast(), size)
        };
        let mut values = self.ivars().borrow_mut();
        values.retain(|given| given.at != at);
        values.push(Given { at, kind, bytes });
    }
}

fn constant(given: &Given) -> Option<msl::Constant> {
    let [a, b, c, d, ..] = given.bytes;
    let (half, word) = ([a, b], [a, b, c, d]);
    Some(match given.kind {
        MTLDataType::Bool => msl::Constant::Bool(a != 0),
        MTLDataType::Char => msl::Constant::Char(a.cast_signed()),
        MTLDataType::UChar => msl::Constant::Uchar(a),
        MTLDataType::Short => msl::Constant::Short(i16::from_ne_bytes(half)),
        MTLDataType::UShort => msl::Constant::Ushort(u16::from_ne_bytes(half)),
        MTLDataType::Half => msl::Constant::Half(u16::from_ne_bytes(half)),
        MTLDataType::BFloat => msl::Constant::Bfloat(u16::from_ne_bytes(half)),
        MTLDataType::Int => msl::Constant::Int(i32::from_ne_bytes(word)),
        MTLDataType::UInt => msl::Constant::Uint(u32::from_ne_bytes(word)),
        MTLDataType::Float => msl::Constant::Float(f32::from_ne_bytes(word)),
        MTLDataType::Long => msl::Constant::Long(i64::from_ne_bytes(given.bytes)),
        MTLDataType::ULong => msl::Constant::Ulong(u64::from_ne_bytes(given.bytes)),
        _ => return None,
    })
}

#[derive(Debug)]
pub(crate) struct LibraryIvars {
    compiled: Arc<msl::Library>,
    device: Retained<Device>,
    /// Of the text and the options: what a binary archive knows a function by.
    key: u64,
    label: RefCell<String>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLLibrary"]
    #[ivars = LibraryIvars]
    #[derive(Debug)]
    pub(crate) struct Library;

    unsafe impl NSObjectProtocol for Library {}

    unsafe impl MTLLibrary for Library {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.borrow()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.borrow_mut() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method_id(functionNames))]
        fn function_names(&self) -> Retained<NSArray<NSString>> {
            let names: Vec<_> = self
                .ivars()
                .compiled
                .functions()
                .iter()
                .map(|f| NSString::from_str(&f.name))
                .collect();
            NSArray::from_retained_slice(&names)
        }

        #[unsafe(method_id(newFunctionWithName:))]
        fn new_function(&self, name: &NSString) -> Option<Owned<dyn MTLFunction>> {
            self.plain_function(&name.to_string())
        }

        #[unsafe(method_id(newFunctionWithName:constantValues:error:))]
        fn new_function_with_constants(
            &self,
            name: &NSString,
            values: &FunctionConstantValues,
            error: ErrorSlot,
        ) -> Option<Owned<dyn MTLFunction>> {
            match self.function(&name.to_string(), &values.ivars().borrow()) {
                Ok(function) => Some(ProtocolObject::from_retained(function)),
                Err(FunctionError { code, text }) => {
                    refuse(error, DOMAIN, code.0.cast_signed(), &text);
                    None
                }
            }
        }
    }
);

// SAFETY: nothing changes but the label, which a program sets before it shares the library.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

struct FunctionError {
    code: MTLLibraryError,
    text: String,
}

impl Library {
    /// Compiles a text; what is wrong with it is in the error.
    pub(crate) fn compile(
        device: &Device,
        source: &NSString,
        options: Option<&CompileOptions>,
        error: ErrorSlot,
    ) -> Option<Retained<Self>> {
        counts::count(Count::Libraries);
        if strikes(Call::Library) {
            refuse(
                error,
                DOMAIN,
                MTLLibraryError::Internal.0.cast_signed(),
                "the compiler was made to fail",
            );
            return None;
        }
        let defaults = Options::default();
        let options = options.map_or(&defaults, |options| options.ivars());
        let version = options.version.get().0;
        let wanted = msl::CompileOptions {
            language: ((version >> 16) as u32, (version & 0xffff) as u32),
            fast_math: options.math.get() != MTLMathMode::Safe,
        };
        let source = source.to_string();
        match msl::Library::compile(&source, &wanted) {
            Ok(compiled) => {
                let mut hasher = DefaultHasher::new();
                (&source, version, options.math.get().0).hash(&mut hasher);
                let ivars = LibraryIvars {
                    compiled,
                    device: device.retain(),
                    key: hasher.finish(),
                    label: RefCell::default(),
                    _live: Live::new(Class::Library),
                };
                Some(make::<Library>(ivars))
            }
            Err(text) => {
                refuse(
                    error,
                    DOMAIN,
                    MTLLibraryError::CompileFailure.0.cast_signed(),
                    &format!("program_source: {text}"),
                );
                None
            }
        }
    }

    fn plain_function(&self, name: &str) -> Option<Owned<dyn MTLFunction>> {
        let info = self
            .ivars()
            .compiled
            .functions()
            .iter()
            .find(|f| f.name == name)?;
        if let Some(constant) = info.constants.first() {
            rules::fail(
                "-[MTLDebugLibrary newFunctionWithName:]",
                format_args!(
                    "function {name} uses the function constant {} and must be made with constant values",
                    constant.name
                ),
            );
            return None;
        }
        match self.function(name, &[]) {
            Ok(function) => Some(ProtocolObject::from_retained(function)),
            Err(FunctionError { text, .. }) => {
                rules::fail("-[MTLDebugLibrary newFunctionWithName:]", text);
                None
            }
        }
    }

    fn function(&self, name: &str, values: &[Given]) -> Result<Retained<Function>, FunctionError> {
        let failed = |code, text| FunctionError { code, text };
        let ivars = self.ivars();
        let info = ivars.compiled.functions().iter().find(|f| f.name == name);
        let info = info.ok_or_else(|| {
            failed(
                MTLLibraryError::FunctionNotFound,
                format!("Function {name} was not found in the library"),
            )
        })?;
        let mut constants = Vec::new();
        let mut hasher = DefaultHasher::new();
        (ivars.key, name).hash(&mut hasher);
        for wanted in &info.constants {
            let is_it = |given: &&Given| match &given.at {
                At::Index(index) => *index == wanted.index as usize,
                At::Name(name) => *name == wanted.name,
            };
            // A value that is missing may be one that the text asks about (is_function_constant_defined).
            let Some(given) = values.iter().find(is_it) else {
                continue;
            };
            let value = constant(given).ok_or_else(|| {
                failed(
                    MTLLibraryError::Unsupported,
                    format!(
                        "Function constant {} has a type that is not supported",
                        wanted.name
                    ),
                )
            })?;
            (wanted.index, given.bytes).hash(&mut hasher);
            constants.push((wanted.index, value));
        }
        let compiled = ivars
            .compiled
            .function(name, &constants)
            .map_err(|text| failed(MTLLibraryError::CompileFailure, text))?;
        let function = FunctionIvars {
            compiled,
            name: name.to_owned(),
            device: ivars.device.clone(),
            key: hasher.finish(),
            label: RefCell::default(),
            _live: Live::new(Class::Function),
        };
        Ok(make::<Function>(function))
    }
}

#[derive(Debug)]
pub(crate) struct FunctionIvars {
    pub(crate) compiled: Arc<msl::Function>,
    pub(crate) name: String,
    pub(crate) device: Retained<Device>,
    /// Of the library, the name and the constants.
    pub(crate) key: u64,
    label: RefCell<String>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLFunction"]
    #[ivars = FunctionIvars]
    #[derive(Debug)]
    pub(crate) struct Function;

    unsafe impl NSObjectProtocol for Function {}

    unsafe impl MTLFunction for Function {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.borrow()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.borrow_mut() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method(functionType))]
        fn function_type(&self) -> MTLFunctionType {
            MTLFunctionType::Kernel
        }

        #[unsafe(method_id(name))]
        fn name(&self) -> Retained<NSString> {
            NSString::from_str(&self.ivars().name)
        }
    }
);

// SAFETY: nothing changes but the label, which a program sets before it shares the function.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}
