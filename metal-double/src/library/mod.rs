//! Libraries and functions: MSL text that the engine in [`crate::msl`] compiles.

mod constants;
mod function;
mod options;

pub(crate) use function::Function;
pub(crate) use options::CompileOptions;

use constants::{At, FunctionConstantValues, Given, constant};
use function::FunctionIvars;
use options::Options;

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSArray, NSString};
use objc2_metal::{MTLDevice, MTLFunction, MTLLibrary, MTLLibraryError, MTLMathMode};

use crate::counts::{self, Count};
use crate::device::Device;
use crate::errors::{ErrorSlot, refuse};
use crate::faults::{Call, strikes};
use crate::ledger::{Class, Live};
use crate::msl;
use crate::object::{Owned, make};
use crate::root::Root;
use crate::rules;

const DOMAIN: &str = "MTLLibraryErrorDomain";

/// Makes the classes that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = (CompileOptions::class(), FunctionConstantValues::class());
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
