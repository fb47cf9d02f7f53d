//! Values for function constants.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::NonNull;

use objc2::DefinedClass;
use objc2_foundation::{NSRange, NSString};
use objc2_metal::MTLDataType;

use crate::msl;
use crate::object::made_by_name;
use crate::rules;

/// A value for a function constant: the bytes of a type.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(super) at: At,
    pub(super) kind: MTLDataType,
    pub(super) bytes: [u8; 8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    Index(usize),
    Name(String),
}

/// Bytes of a scalar type that constants can have.
pub(super) fn scalar_size(kind: MTLDataType) -> Option<usize> {
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

pub(super) fn constant(given: &Given) -> Option<msl::Constant> {
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
