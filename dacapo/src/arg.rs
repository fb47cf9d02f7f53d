use bytemuck::NoUninit;

use crate::memory::{Buffer, BufferView};

/// One argument of a dispatch: a buffer view for a slot, or the inline constants.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    pub(crate) slot: Option<u32>,
    pub(crate) value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    View { view: &'a BufferView, offset: u64 },
    Bytes(&'a [u8]),
}

impl<'a> Arg<'a> {
    /// A view, for the kernel's next slot.
    pub fn view(view: &'a BufferView) -> Arg<'a> {
        Arg::view_at(view, 0)
    }

    /// The part of a view from `offset` bytes onwards, for the kernel's next slot.
    pub fn view_at(view: &'a BufferView, offset: u64) -> Arg<'a> {
        Arg {
            slot: None,
            value: Value::View { view, offset },
        }
    }

    /// Inline constants: the bytes of `params`.
    pub fn bytes<P: NoUninit>(params: &'a P) -> Arg<'a> {
        Arg {
            slot: None,
            value: Value::Bytes(bytemuck::bytes_of(params)),
        }
    }

    /// Inline constants whose layout only the caller's data tells.
    pub fn inline(bytes: &'a [u8]) -> Arg<'a> {
        Arg {
            slot: None,
            value: Value::Bytes(bytes),
        }
    }

    /// This argument for slot `slot` instead of the next one. Inline constants have no slot and ignore it.
    pub fn slot(self, slot: u32) -> Arg<'a> {
        Arg {
            slot: Some(slot),
            ..self
        }
    }
}

impl<'a> From<&'a BufferView> for Arg<'a> {
    fn from(view: &'a BufferView) -> Arg<'a> {
        Arg::view(view)
    }
}

impl<'a> From<&'a Buffer> for Arg<'a> {
    fn from(buffer: &'a Buffer) -> Arg<'a> {
        Arg::view(buffer)
    }
}

/// Inline constants, for use among the arguments of a dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a, P>(pub &'a P);

impl<'a, P: NoUninit> From<Bytes<'a, P>> for Arg<'a> {
    fn from(bytes: Bytes<'a, P>) -> Arg<'a> {
        Arg::bytes(bytes.0)
    }
}

/// The arguments of a dispatch: a tuple of up to 12 values that turn into [`Arg`], or a slice of them.
///
/// Arguments without an explicit slot take the kernel's slots in ascending order.
pub trait Args<'a> {
    /// Calls `use_args` with the arguments.
    fn with<R>(self, use_args: impl FnOnce(&[Arg<'a>]) -> R) -> R;
}

impl<'a> Args<'a> for &[Arg<'a>] {
    fn with<R>(self, use_args: impl FnOnce(&[Arg<'a>]) -> R) -> R {
        use_args(self)
    }
}

impl<'a, const N: usize> Args<'a> for [Arg<'a>; N] {
    fn with<R>(self, use_args: impl FnOnce(&[Arg<'a>]) -> R) -> R {
        use_args(&self)
    }
}

macro_rules! tuple_args {
    ($($name:ident)*) => {
        impl<'a, $($name: Into<Arg<'a>>),*> Args<'a> for ($($name,)*) {
            #[allow(non_snake_case, reason = "the type parameters name the tuple's fields")]
            fn with<R>(self, use_args: impl FnOnce(&[Arg<'a>]) -> R) -> R {
                let ($($name,)*) = self;
                use_args(&[$($name.into()),*])
            }
        }
    };
}

tuple_args!();
tuple_args!(A);
tuple_args!(A B);
tuple_args!(A B C);
tuple_args!(A B C D);
tuple_args!(A B C D E);
tuple_args!(A B C D E F);
tuple_args!(A B C D E F G);
tuple_args!(A B C D E F G H);
tuple_args!(A B C D E F G H I);
tuple_args!(A B C D E F G H I J);
tuple_args!(A B C D E F G H I J K);
tuple_args!(A B C D E F G H I J K L);
