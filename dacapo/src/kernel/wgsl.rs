#![allow(
    unsafe_code,
    reason = "offers to leave out the checks that keep a kernel inside its buffers"
)]

use std::borrow::Cow;

/// A kernel in the WebGPU Shading Language (W3C), with `var<immediate>` for its inline constants.
///
/// Bindings are `@group(0) @binding(slot)` variables in the address space `storage`. Their access is what the
/// code does: a `read_write` variable that is only stored to counts as written.
///
/// `override` constants are specialised with [`Wgsl::constant`]; one called `SUBGROUP_SIZE` gets the size of
/// the device's subgroups by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wgsl {
    pub(crate) text: Cow<'static, str>,
    pub(crate) entry: Cow<'static, str>,
    /// Names and the bits of f64 values, in the order of the names.
    pub(crate) constants: Vec<(Cow<'static, str>, u64)>,
    pub(crate) trusted: bool,
}

impl Wgsl {
    /// The compute entry point `main` of a WGSL text.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Wgsl {
        Wgsl {
            text: text.into(),
            entry: Cow::Borrowed("main"),
            constants: Vec::new(),
            trusted: false,
        }
    }

    /// Another entry point than `main`.
    pub fn entry(mut self, name: impl Into<Cow<'static, str>>) -> Wgsl {
        self.entry = name.into();
        self
    }

    /// Gives the `override` of this name a value; a second value for the same name replaces the first.
    pub fn constant(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<f64>) -> Wgsl {
        let (name, bits) = (name.into(), value.into().to_bits());
        match self
            .constants
            .binary_search_by(|(known, _)| known.cmp(&name))
        {
            Ok(at) => self.constants[at].1 = bits,
            Err(at) => self.constants.insert(at, (name, bits)),
        }
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The `override` constants that have been given values, in the order of their names.
    pub fn constants(&self) -> impl Iterator<Item = (&str, f64)> {
        self.constants
            .iter()
            .map(|(name, bits)| (&**name, f64::from_bits(*bits)))
    }

    /// Compiles without checks: accesses are not kept inside their buffers, loops need not end, workgroup memory
    /// does not start as zeros, and integer division is not guarded.
    ///
    /// # Safety
    /// For all arguments it is dispatched with, the kernel stays inside its buffers, ends, and reads no
    /// workgroup memory that it has not written.
    pub unsafe fn trusted(mut self) -> Wgsl {
        self.trusted = true;
        self
    }
}
