//! What a WGSL text has to offer, before anything is compiled for a device.

use std::path::Path;

use naga::common::wgsl::TypeContext as _;
use naga::front::wgsl::{Frontend, Options};
use naga::proc::Layouter;
use naga::valid::Capabilities;
use naga::{AddressSpace, ShaderStage};

use super::layout::Layout;
use crate::error::{Error, Result};

/// Bytes of the longest text that the runtime compiles.
const MAX_TEXT: u64 = 128 << 10;

/// Stack of the parser: for any text, and for each byte of it. Nested expressions take stack.
const STACK: usize = 2 << 20;
const STACK_PER_BYTE: usize = 4 << 10;

/// A WGSL text.
#[derive(Debug)]
pub(super) struct Module {
    /// The path as the user has named it.
    pub(super) name: String,
    pub(super) text: String,
    /// Compute entry points.
    pub(super) entries: Vec<String>,
    /// Storage buffers, by slot.
    pub(super) variables: Vec<Variable>,
}

/// A storage buffer.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) slot: u32,
    pub(super) name: String,
    /// In WGSL.
    pub(super) ty: String,
    pub(super) layout: Layout,
}

impl Module {
    /// Parses a text that came from this path.
    pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Module> {
        let name = path.display().to_string();
        if bytes.len() as u64 > MAX_TEXT {
            return Err(Error::TooLong {
                name,
                what: "WGSL text",
                limit: MAX_TEXT,
            });
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                return Err(Error::NotText { name, at });
            }
        };
        let parsed = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .stack_size(STACK + text.len() * STACK_PER_BYTE)
                .spawn_scoped(scope, || parse(&name, &text))
                .map_err(|error| format!("{name}: starting a thread for the parser: {error}"))?;
            let panicked = |_| Err(format!("{name}: the WGSL parser cannot handle this text"));
            thread.join().unwrap_or_else(panicked)
        });
        let (entries, variables) = parsed.map_err(|message| Error::Wgsl { message })?;
        Ok(Module {
            name,
            text,
            entries,
            variables,
        })
    }

    pub(super) fn variable(&self, slot: u32) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.slot == slot)
    }

    /// The entry point that was asked for, or the one that is meant: `main`, or the only one.
    pub(super) fn entry(&self, wanted: Option<&str>) -> Result<String> {
        let has = |name: &str| self.entries.iter().any(|entry| entry == name);
        let listed = || self.entries.join(", ");
        let message = match (wanted, self.entries.as_slice()) {
            (_, []) => "the text has no compute entry points".to_owned(),
            (Some(name), _) if has(name) => return Ok(name.to_owned()),
            (Some(name), _) => format!("no entry point {name:?}; the text has {}", listed()),
            (None, [only]) => return Ok(only.clone()),
            (None, _) if has("main") => return Ok("main".to_owned()),
            (None, _) => format!("--entry NAME says which of {} is meant", listed()),
        };
        Err(self.complain(message))
    }

    /// An error about this text.
    pub(super) fn complain(&self, message: impl core::fmt::Display) -> Error {
        let message = format!("{}: {message}", self.name);
        Error::Wgsl { message }
    }
}

fn parse(name: &str, text: &str) -> Result<(Vec<String>, Vec<Variable>), String> {
    let mut options = Options::new();
    options.capabilities = Capabilities::all();
    let module = Frontend::new_with_options(options).parse(text);
    let module = module.map_err(|error| {
        let text = error.emit_to_string_with_path(text, name);
        text.trim_end().to_owned()
    })?;
    let mut layouts = Layouter::default();
    let laid_out = layouts.update(module.to_ctx());
    laid_out.map_err(|error| format!("{name}: {error}"))?;
    let entries = module.entry_points.iter();
    let entries = entries.filter(|entry| entry.stage == ShaderStage::Compute);
    let entries = entries.map(|entry| entry.name.clone()).collect();
    let mut variables: Vec<Variable> = Vec::new();
    for (_, global) in module.global_variables.iter() {
        let (AddressSpace::Storage { .. }, Some(binding)) = (global.space, global.binding) else {
            continue;
        };
        // Entry points may have variables of their own at one slot: the larger one decides.
        let layout = Layout::of(&module, &layouts, global.ty);
        let same = |variable: &Variable| variable.slot == binding.binding;
        let known = variables.iter().position(same);
        let bytes = |layout: &Layout| layout.bytes().unwrap_or(u64::MAX);
        match known {
            Some(at) if bytes(&variables[at].layout) >= bytes(&layout) => continue,
            Some(at) => drop(variables.remove(at)),
            None => {}
        }
        variables.push(Variable {
            slot: binding.binding,
            name: global.name.clone().unwrap_or_default(),
            ty: module.to_ctx().type_to_string(global.ty),
            layout,
        });
    }
    variables.sort_by_key(|variable| variable.slot);
    Ok((entries, variables))
}

#[cfg(test)]
mod tests {
    use super::super::layout::Number;
    use super::super::scalar::Scalar;
    use super::*;

    fn module(text: &str) -> Result<Module> {
        Module::parse(Path::new("a.wgsl"), text.into())
    }

    #[test]
    fn buffers_have_the_layout_of_wgsl() {
        let module = module(
            "enable f16;
            struct Item { at: vec3<f32>, count: u32, halves: array<f16, 3> }
            struct Rows { len: atomic<u32>, m: mat2x3<f32>, items: array<Item> }
            @group(0) @binding(2) var<storage, read_write> rows: Rows;
            @group(0) @binding(0) var<storage> list: array<vec3<i32>, 5>;
            @group(0) @binding(1) var<storage> one: f32;",
        )
        .unwrap();
        let [list, one, rows] = &module.variables[..] else {
            panic!("three: {:?}", module.variables);
        };
        assert_eq!((list.slot, list.name.as_str()), (0, "list"));
        assert_eq!(list.ty, "array<vec3<i32>, 5>");
        // By the rules of WGSL: a vec3 is aligned to 16, and a mat2x3 has columns of 16.
        assert_eq!((list.layout.stride, list.layout.bytes()), (16, Some(80)));
        assert_eq!(one.layout.bytes(), Some(4));
        let layout = &rows.layout;
        assert_eq!((layout.bytes(), layout.bytes_of(2)), (None, 48 + 2 * 32));
        let places = |numbers: &[Number]| -> Vec<_> {
            numbers.iter().map(|it| (it.at, it.scalar)).collect()
        };
        let floats = [16, 20, 24, 32, 36, 40].map(|at| (at, Scalar::F32));
        let head: Vec<_> = [(0, Scalar::U32)].into_iter().chain(floats).collect();
        assert_eq!(places(&layout.head), head);
        let item = [
            (0, Scalar::F32),
            (4, Scalar::F32),
            (8, Scalar::F32),
            (12, Scalar::U32),
            (16, Scalar::F16),
            (18, Scalar::F16),
            (20, Scalar::F16),
        ];
        assert_eq!(places(&layout.element), item);
    }

    #[test]
    fn the_entry_point_that_is_meant() {
        let entries = |names: &[&str]| {
            let functions = names.iter();
            let functions =
                functions.map(|name| format!("@compute @workgroup_size(1) fn {name}() {{}}"));
            module(&functions.collect::<String>()).unwrap()
        };
        assert_eq!(entries(&["a"]).entry(None).unwrap(), "a");
        assert_eq!(entries(&["a", "main"]).entry(None).unwrap(), "main");
        assert_eq!(entries(&["a", "main"]).entry(Some("a")).unwrap(), "a");
        for (names, wanted, word) in [
            (&["a", "b"][..], None, "a, b"),
            (&["a", "b"], Some("main"), "a, b"),
            (&[], None, "no compute entry points"),
        ] {
            let message = entries(names).entry(wanted).unwrap_err().to_string();
            assert!(
                message.contains(word) && message.contains("a.wgsl"),
                "{message}"
            );
        }
    }

    #[test]
    fn deep_and_long_texts_do_no_harm() {
        let deep = format!("const x = {}1{};", "(".repeat(50_000), ")".repeat(50_000));
        // Whatever it says of it, it comes back.
        drop(module(&deep));
        let long = module(&" ".repeat(200_000)).unwrap_err().to_string();
        assert!(long.contains("131072"), "{long}");
    }
}
