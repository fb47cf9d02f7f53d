#![allow(
    unsafe_code,
    reason = "takes kernels that nothing keeps inside their buffers"
)]

use std::borrow::Cow;

/// A kernel in the Metal Shading Language (Apple), for devices that Metal runs.
///
/// Nothing is read out of the text: what it binds, its inline constants, its workgroup and its shared memory are what
/// the [`KernelSource`](crate::KernelSource) declares. The bindings are buffers without gaps, in ascending order of
/// their slots: `[[buffer(0)]]` is the lowest slot that is declared, `[[buffer(1)]]` the next, whatever their
/// numbers. The inline constants are the buffer behind the last binding.
///
/// ```
/// use dacapo::{Access, KernelSource, Msl};
///
/// const TEXT: &str = "
/// kernel void axpy(device const float *x [[buffer(0)]],
///                  device float *y       [[buffer(1)]],
///                  constant float &a     [[buffer(2)]],
///                  uint at               [[thread_position_in_grid]]) {
///     y[at] += a * x[at];
/// }";
///
/// // SAFETY: it is dispatched with one thread for each element of `x` and `y`, and touches that element alone.
/// let msl = unsafe { Msl::new(TEXT, "axpy") };
/// let source = KernelSource::new("axpy")
///     .binding::<f32>(0, Access::Read)
///     .binding::<f32>(1, Access::ReadWrite)
///     .inline::<f32>()
///     .workgroup([64, 1, 1])
///     .msl(msl);
/// assert_eq!(source.name(), "axpy");
/// ```
///
/// A kernel can have a form in WGSL as well, which other GPUs run, and Metal where its language is older than the
/// text needs ([`Msl::needs`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Msl {
    pub(crate) text: Cow<'static, str>,
    pub(crate) entry: Cow<'static, str>,
    /// The oldest language version, major and minor, that has what the text uses.
    pub(crate) needs: (u8, u8),
    /// In the order of their places, each once.
    pub(crate) constants: Vec<(MslConstant, MslValue)>,
    /// Indices and bytes of the arguments in threadgroup memory, in the order of the indices.
    pub(crate) threadgroup: Vec<(u32, u32)>,
    /// The index of the argument in threadgroup memory that is as long as a dispatch says.
    pub(crate) dynamic: Option<u32>,
}

/// Which function constant of a text in the Metal Shading Language: the number in `[[function_constant(number)]]`,
/// or the variable's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MslConstant {
    /// By its number.
    Index(u16),
    /// By its name.
    Name(Cow<'static, str>),
}

/// The value of a function constant, of the type that the text gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MslValue {
    /// `bool`.
    Bool(bool),
    /// `char`.
    I8(i8),
    /// `uchar`.
    U8(u8),
    /// `short`.
    I16(i16),
    /// `ushort`.
    U16(u16),
    /// `int`.
    I32(i32),
    /// `uint`.
    U32(u32),
    /// The bits of a `half`.
    F16Bits(u16),
    /// The bits of a `float`.
    F32Bits(u32),
}

impl Msl {
    /// The kernel function `entry` of a text.
    ///
    /// # Safety
    /// For all arguments it is dispatched with, the kernel stays inside its buffers and its shared memory, does to
    /// each buffer no more than its source declares, and ends.
    pub unsafe fn new(
        text: impl Into<Cow<'static, str>>,
        entry: impl Into<Cow<'static, str>>,
    ) -> Msl {
        Msl {
            text: text.into(),
            entry: entry.into(),
            needs: (2, 4),
            constants: Vec::new(),
            threadgroup: Vec::new(),
            dynamic: None,
        }
    }

    /// The oldest version of the language that has what the text uses, 2.4 by default: `needs(3, 1)` for `bfloat`,
    /// for example. It is compiled as the newest that the system has.
    pub fn needs(mut self, major: u8, minor: u8) -> Msl {
        self.needs = (major, minor);
        self
    }

    /// Gives a function constant a value; a second value for the same place replaces the first.
    pub fn constant(mut self, place: impl Into<MslConstant>, value: impl Into<MslValue>) -> Msl {
        let (place, value) = (place.into(), value.into());
        match self
            .constants
            .binary_search_by(|(known, _)| known.cmp(&place))
        {
            Ok(at) => self.constants[at].1 = value,
            Err(at) => self.constants.insert(at, (place, value)),
        }
        self
    }

    /// Says how long the argument `[[threadgroup(index)]]` is, in bytes. Variables that the function itself declares
    /// in threadgroup memory are not listed. The source declares all of it as shared memory:
    /// [`KernelSource::shared_memory`](crate::KernelSource::shared_memory).
    pub fn threadgroup_memory(mut self, index: u32, bytes: u32) -> Msl {
        match self
            .threadgroup
            .binary_search_by_key(&index, |(known, _)| *known)
        {
            Ok(at) => self.threadgroup[at].1 = bytes,
            Err(at) => self.threadgroup.insert(at, (index, bytes)),
        }
        self
    }

    /// Says that the argument `[[threadgroup(index)]]` is as long as each dispatch asks for. The source declares
    /// [`SharedMemory::Dynamic`](crate::SharedMemory::Dynamic).
    pub fn dynamic_threadgroup_memory(mut self, index: u32) -> Msl {
        self.dynamic = Some(index);
        self
    }
}

impl From<u16> for MslConstant {
    fn from(index: u16) -> MslConstant {
        MslConstant::Index(index)
    }
}

impl From<&'static str> for MslConstant {
    fn from(name: &'static str) -> MslConstant {
        MslConstant::Name(name.into())
    }
}

impl From<String> for MslConstant {
    fn from(name: String) -> MslConstant {
        MslConstant::Name(name.into())
    }
}

macro_rules! values {
    ($($from:ty => $variant:ident,)*) => {$(
        impl From<$from> for MslValue {
            fn from(value: $from) -> MslValue {
                MslValue::$variant(value)
            }
        }
    )*};
}

values! {
    bool => Bool,
    i8 => I8,
    u8 => U8,
    i16 => I16,
    u16 => U16,
    i32 => I32,
    u32 => U32,
}

impl From<f32> for MslValue {
    fn from(value: f32) -> MslValue {
        MslValue::F32Bits(value.to_bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn msl() -> Msl {
        // SAFETY: nothing here is run.
        unsafe { Msl::new("text", "entry") }
    }

    #[test]
    fn the_order_of_calls_does_not_make_another_kernel() {
        let one = msl()
            .constant(3, 1u32)
            .constant("scale", 0.5)
            .constant(1, true)
            .threadgroup_memory(1, 64)
            .threadgroup_memory(0, 32);
        let other = msl()
            .threadgroup_memory(0, 16)
            .constant(1, false)
            .constant(1, true)
            .constant("scale", 0.5)
            .threadgroup_memory(1, 64)
            .threadgroup_memory(0, 32)
            .constant(3, 1u32);
        assert_eq!(one, other);
        assert_eq!(one.threadgroup, [(0, 32), (1, 64)]);
        let places: Vec<_> = one.constants.iter().map(|(place, _)| place).collect();
        let scale = MslConstant::from("scale");
        assert_eq!(
            places,
            [&MslConstant::Index(1), &MslConstant::Index(3), &scale]
        );
    }

    #[test]
    fn values_have_types() {
        assert_ne!(msl().constant(0, 1i32), msl().constant(0, 1u32));
        assert_ne!(msl().constant(0, 0.0), msl().constant(0, -0.0));
        assert_ne!(msl().constant(0, 1u32), msl().constant("0", 1u32));
    }
}
