//! Where the numbers of a buffer are.

use naga::proc::Layouter;
use naga::{ArraySize, Handle, Module, ScalarKind, Type, TypeInner, VectorSize};

use super::scalar::Scalar;

/// Numbers that are told apart in one element; what has more counts as a run of words.
const MOST_NUMBERS: usize = 1024;

/// A number at an offset in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) at: u64,
    pub(super) scalar: Scalar,
}

/// A buffer's layout: what it begins with, and then equal elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) head: Vec<Number>,
    pub(super) head_bytes: u64,
    /// Bytes from one element to the next; 0 where there are none.
    pub(super) stride: u64,
    /// Of one element.
    pub(super) element: Vec<Number>,
    /// How many there are; `None` where the buffer's length decides.
    pub(super) count: Option<u64>,
}

impl Layout {
    /// Of a type of this module.
    pub(super) fn of(module: &Module, layouts: &Layouter, ty: Handle<Type>) -> Layout {
        let mut layout = Layout {
            head: Vec::new(),
            head_bytes: 0,
            stride: 0,
            element: Vec::new(),
            count: Some(0),
        };
        match &module.types[ty].inner {
            TypeInner::Array { base, size, stride } => {
                layout.elements(module, *base, *stride, *size);
            }
            TypeInner::Struct { members, span } => {
                layout.head_bytes = u64::from(*span);
                for member in members {
                    let at = u64::from(member.offset);
                    match module.types[member.ty].inner {
                        TypeInner::Array {
                            base,
                            size: size @ ArraySize::Dynamic,
                            stride,
                        } => {
                            layout.head_bytes = at;
                            layout.elements(module, base, stride, size);
                        }
                        _ => numbers(module, member.ty, at, &mut layout.head),
                    }
                }
            }
            _ => {
                layout.head_bytes = u64::from(layouts[ty].size);
                numbers(module, ty, 0, &mut layout.head);
            }
        }
        layout
    }

    fn elements(&mut self, module: &Module, base: Handle<Type>, stride: u32, size: ArraySize) {
        self.stride = u64::from(stride);
        numbers(module, base, 0, &mut self.element);
        self.count = match size {
            ArraySize::Constant(count) => Some(u64::from(count.get())),
            ArraySize::Pending(_) | ArraySize::Dynamic => None,
        };
    }

    /// Bytes of the buffer with so many elements.
    pub(super) fn bytes_of(&self, elements: u64) -> u64 {
        let elements = elements.saturating_mul(self.stride);
        self.head_bytes.saturating_add(elements)
    }

    /// Bytes of the buffer, where the type alone decides.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.count.map(|count| self.bytes_of(count))
    }

    /// The kind of its numbers, as far as one can be named.
    pub(super) fn scalar(&self) -> Scalar {
        let first = self.element.first().or(self.head.first());
        first.map_or(Scalar::U32, |number| number.scalar)
    }
}

/// Adds the numbers of a type at this offset.
fn numbers(module: &Module, ty: Handle<Type>, at: u64, found: &mut Vec<Number>) {
    if found.len() >= MOST_NUMBERS {
        return;
    }
    let mut run = |scalar: naga::Scalar, count: u64, stride: u64| {
        let scalar = match (scalar.kind, scalar.width) {
            (ScalarKind::Float, 2) => Scalar::F16,
            (ScalarKind::Float, _) => Scalar::F32,
            (ScalarKind::Sint, _) => Scalar::I32,
            _ => Scalar::U32,
        };
        found.extend((0..count).map(|index| Number {
            at: at + index * stride,
            scalar,
        }));
    };
    match &module.types[ty].inner {
        TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => run(*scalar, 1, 0),
        TypeInner::Vector { size, scalar } => {
            run(*scalar, *size as u64, u64::from(scalar.width));
        }
        TypeInner::Matrix {
            columns,
            rows,
            scalar,
        } => {
            let width = u64::from(scalar.width);
            let padded = match rows {
                VectorSize::Bi => 2,
                VectorSize::Tri | VectorSize::Quad => 4,
            };
            for column in 0..*columns as u64 {
                let at = at + column * padded * width;
                let rows = (0..*rows as u64).map(|row| at + row * width);
                found.extend(rows.map(|at| Number {
                    at,
                    scalar: match scalar.width {
                        2 => Scalar::F16,
                        _ => Scalar::F32,
                    },
                }));
            }
        }
        TypeInner::Array {
            base,
            size: ArraySize::Constant(count),
            stride,
        } => {
            for index in 0..u64::from(count.get()) {
                if found.len() >= MOST_NUMBERS {
                    break;
                }
                numbers(module, *base, at + index * u64::from(*stride), found);
            }
        }
        TypeInner::Struct { members, .. } => {
            for member in members {
                numbers(module, member.ty, at + u64::from(member.offset), found);
            }
        }
        _ => {}
    }
}
