//! Libraries and their functions.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::compiler::{Compiler, Product};
use super::object::{LoadedKernel, Object};
use super::source::{Argument, FunctionConstant, Kernel, Mode, Source, rewritten};
use super::{
    Arguments, BufferArgument, CompileOptions, Constant, Grid, ThreadgroupArgument, Watch, run,
};

/// A kernel of a library, before its constants are known.
#[derive(Clone, Debug)]
pub struct FunctionInfo {
    /// What [`Library::function`] finds it by.
    pub name: String,
    /// The function constants that it uses, itself or through what it calls.
    pub constants: Vec<FunctionConstant>,
}

/// A checked MSL text.
#[derive(Debug)]
pub struct Library {
    source: Source,
    prelude: String,
    functions: Vec<FunctionInfo>,
    /// Objects by the values of the constants.
    variants: Mutex<BTreeMap<BTreeMap<String, String>, Arc<Variant>>>,
}

/// The text with values for its constants.
#[derive(Debug)]
struct Variant {
    text: String,
    object: Object,
    watched: OnceLock<Result<Object, String>>,
}

/// A kernel that can run.
#[derive(Debug)]
pub struct Function {
    kernel: Kernel,
    loaded: LoadedKernel,
    variant: Arc<Variant>,
    buffers: Vec<BufferArgument>,
    threadgroups: Vec<ThreadgroupArgument>,
}

impl Library {
    /// Checks an MSL text: syntax, types and address spaces.
    ///
    /// # Errors
    /// clang's messages, with the line numbers of the text.
    pub fn compile(source: &str, options: &CompileOptions) -> Result<Arc<Self>, String> {
        let source = Source::read(source)?;
        source.check_language(options.language)?;
        let (major, minor) = options.language;
        let prelude = format!(
            "#define __METAL_VERSION__ {}\n#define __METAL__ 1\n",
            major * 100 + minor * 10
        );
        let text = prelude.clone() + &rewritten(&source, Mode::Check)?;
        Compiler::get()?
            .compile(&text, Product::Check)
            .map_err(|messages| as_metal(&messages))?;
        let info = |kernel: &Kernel| FunctionInfo {
            name: kernel.name.clone(),
            constants: source.constants_of(kernel),
        };
        let functions = source.kernels.iter().map(info).collect();
        Ok(Arc::new(Self {
            source,
            prelude,
            functions,
            variants: Mutex::default(),
        }))
    }

    /// The kernels of the text.
    pub fn functions(&self) -> &[FunctionInfo] {
        &self.functions
    }

    /// A kernel with values for its constants; values that it does not use are ignored.
    ///
    /// # Errors
    /// An unknown name, or a constant without a value or with one of another type.
    pub fn function(
        &self,
        name: &str,
        constants: &[(u32, Constant)],
    ) -> Result<Arc<Function>, String> {
        let position = self.functions.iter().position(|f| f.name == name);
        let Some(position) = position else {
            return Err(format!("Function {name} was not found in the library"));
        };
        let mut values = BTreeMap::new();
        for constant in &self.source.constants {
            let given = constants.iter().find(|(index, _)| *index == constant.index);
            if let Some((_, value)) = given {
                values.insert(constant.name.clone(), value.spelled(constant)?);
            } else if self.functions[position].constants.contains(constant)
                && !self.source.asks_for(&constant.name)
            {
                return Err(format!(
                    "Compiler error: function constant {} at index {} of function {name} has no value",
                    constant.name, constant.index
                ));
            }
        }
        let variant = self.variant(values)?;
        let kernel = self.source.kernels[position].clone();
        let Some(loaded) = variant.object.kernel(name) else {
            return Err(format!("{name} is not in its object"));
        };
        Ok(Arc::new(Function::new(kernel, loaded, variant)))
    }

    fn variant(&self, values: BTreeMap<String, String>) -> Result<Arc<Variant>, String> {
        let mut variants = self.variants.lock();
        if let Some(variant) = variants.get(&values) {
            return Ok(variant.clone());
        }
        let text = self.prelude.clone()
            + &rewritten(&self.source, Mode::Run { constants: &values })?
            + SECTION_BOUNDS;
        let object = Object::load(&Compiler::get()?.compile(&text, Product::Object)?)?;
        let variant = Arc::new(Variant {
            text,
            object,
            watched: OnceLock::new(),
        });
        variants.insert(values, variant.clone());
        Ok(variant)
    }
}

/// The linker names a section's ends; they are weak because there may be no such section.
const SECTION_BOUNDS: &str = r#"
extern "C" __attribute__((weak, visibility("hidden"))) const msl::ThreadgroupVariable __start_msl_threadgroup[], __stop_msl_threadgroup[];
extern "C" __attribute__((visibility("default"))) const msl::ThreadgroupVariable* const msl_threadgroup_begin = __start_msl_threadgroup;
extern "C" __attribute__((visibility("default"))) const msl::ThreadgroupVariable* const msl_threadgroup_end = __stop_msl_threadgroup;
"#;

impl Variant {
    fn watched(&self) -> Result<&Object, String> {
        let make = || Object::load(&Compiler::get()?.compile(&self.text, Product::WatchedObject)?);
        self.watched
            .get_or_init(make)
            .as_ref()
            .map_err(Clone::clone)
    }
}

impl Function {
    fn new(kernel: Kernel, loaded: LoadedKernel, variant: Arc<Variant>) -> Self {
        let mut buffers = Vec::new();
        let mut threadgroups = Vec::new();
        for (at, argument) in kernel.arguments.iter().enumerate() {
            match *argument {
                Argument::Buffer {
                    index,
                    writes,
                    constant,
                } => buffers.push(BufferArgument {
                    index,
                    writes,
                    constant,
                }),
                Argument::Threadgroup { index } => {
                    threadgroups.push(ThreadgroupArgument {
                        index,
                        bytes: loaded.argument_bytes(at),
                    });
                }
                Argument::Place(_) => {}
            }
        }
        Self {
            kernel,
            loaded,
            variant,
            buffers,
            threadgroups,
        }
    }

    /// The name by which the library has it.
    pub fn name(&self) -> &str {
        &self.kernel.name
    }

    /// Bytes of threadgroup variables declared in the kernel's body.
    pub fn static_threadgroup_bytes(&self) -> u32 {
        self.loaded.static_bytes
    }

    /// The buffers that it takes.
    pub fn buffers(&self) -> &[BufferArgument] {
        &self.buffers
    }

    /// The threadgroup memory that it takes.
    pub fn threadgroups(&self) -> &[ThreadgroupArgument] {
        &self.threadgroups
    }

    /// What the text says is the most threads in a threadgroup.
    pub fn max_total_threads(&self) -> Option<u32> {
        self.kernel.max_total_threads
    }

    /// Runs the kernel to its end.
    ///
    /// # Errors
    /// A barrier that not every thread reaches, a simdgroup operation in divergent control flow,
    /// threadgroup memory written beyond its length, or a kernel that does not end.
    ///
    /// # Safety
    /// The arguments' buffers are memory that the kernel may access as it does.
    pub unsafe fn run(
        &self,
        grid: &Grid,
        arguments: &Arguments,
        watch: Option<&mut dyn Watch>,
    ) -> Result<(), String> {
        let entry = if watch.is_some() {
            let kernel = self.variant.watched()?.kernel(&self.kernel.name);
            kernel
                .ok_or_else(|| format!("{} is not in its watched object", self.kernel.name))?
                .entry
        } else {
            self.loaded.entry
        };
        // SAFETY: passed on to this function's caller.
        unsafe { run::run(entry, grid, arguments, watch) }
            .map_err(|problem| format!("kernel {}: {problem}", self.kernel.name))
    }
}

impl Constant {
    /// The value in C++, if the constant is of its type.
    fn spelled(self, constant: &FunctionConstant) -> Result<String, String> {
        let (types, value): (&[&str], String) = match self {
            Self::Bool(v) => (&["bool"], v.to_string()),
            Self::Char(v) => (&["char", "int8_t"], format!("char({v})")),
            Self::Uchar(v) => (
                &["uchar", "uint8_t", "unsigned char"],
                format!("uchar({v})"),
            ),
            Self::Short(v) => (&["short", "int16_t"], format!("short({v})")),
            Self::Ushort(v) => (
                &["ushort", "uint16_t", "unsigned short"],
                format!("ushort({v})"),
            ),
            Self::Int(v) => (&["int", "int32_t"], format!("int({v}ll)")),
            Self::Uint(v) => (
                &["uint", "uint32_t", "unsigned", "unsigned int"],
                format!("uint({v}u)"),
            ),
            Self::Long(v) => (&["long", "int64_t"], format!("long({}ull)", v as u64)),
            Self::Ulong(v) => (&["ulong", "uint64_t"], format!("ulong({v}ull)")),
            Self::Half(bits) => (
                &["half"],
                format!("__builtin_bit_cast(half, ushort({bits}))"),
            ),
            Self::Bfloat(bits) => (
                &["bfloat"],
                format!("__builtin_bit_cast(bfloat, ushort({bits}))"),
            ),
            Self::Float(v) => (
                &["float"],
                format!("__builtin_bit_cast(float, {}u)", v.to_bits()),
            ),
        };
        if types.contains(&constant.type_name.as_str()) {
            return Ok(value);
        }
        Err(format!(
            "Compiler error: function constant {} at index {} is of type {}, given a value of type {}",
            constant.name, constant.index, constant.type_name, types[0]
        ))
    }
}

/// Names of the check's own in clang's messages, put back into Metal's.
fn as_metal(messages: &str) -> String {
    let mut text = String::new();
    for line in messages.lines() {
        let own = line.contains(".h:")
            && (line.contains("note: expanded from") || line.contains("candidate"));
        if !own && !line.starts_with("<scratch space>") {
            let _ = writeln!(text, "{line}");
        }
    }
    let names = [
        ("MSL_PROGRAM_CONSTANT", "constant"),
        ("msl_static_cast", "static_cast"),
        ("__global_device", "device"),
        ("const __global_host", "constant"),
        ("__global_host", "constant"),
        ("__local", "threadgroup"),
        ("__private", "thread"),
        ("__constant", "constant"),
        ("msl_atomic_", "atomic_"),
        ("msl_bools<2>", "bool2"),
        ("msl_bools<3>", "bool3"),
        ("msl_bools<4>", "bool4"),
        ("'make_", "'"),
        ("msl_word_", ""),
    ];
    names
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}
