//! Types as runs of scalars.

use naga::proc::IndexableLength;
use naga::{ArraySize, Handle, Module, Scalar, ScalarKind, Type, TypeInner, VectorSize};

use super::op::Element;

/// What a pointer points to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pointee {
    Type(Handle<Type>),
    Scalar(Scalar),
    Vector(VectorSize, Scalar),
}

/// Scalars that lie at equal distances in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Bytes from the start of the value.
    pub(super) offset: u32,
    pub(super) count: u32,
    pub(super) element: Element,
}

/// A step from a pointer to one of its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) part: Pointee,
    /// Bytes from one part to the next, in buffers.
    pub(super) bytes: u32,
    /// Scalars from one part to the next.
    pub(super) scalars: u32,
    /// Parts, unless only the binding says.
    pub(super) len: Option<u32>,
}

/// Scalars of the largest value that is taken.
pub(super) const MAX_SCALARS: u32 = 1 << 18;

pub(super) fn unsupported<T>(what: &str) -> Result<T, String> {
    Err(format!("{what} cannot be interpreted"))
}

/// An index of bytes or scalars that may not pass 32 bits.
fn fit(value: Option<u32>) -> Result<u32, String> {
    value.ok_or_else(|| "a type of 4 GiB or more".to_owned())
}

pub(super) fn element(scalar: Scalar) -> Result<Element, String> {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 2) => Ok(Element::Half),
        (ScalarKind::Bool, _) | (_, 4) => Ok(Element::Word),
        _ => unsupported(&format!(
            "{:?} of {} bits",
            scalar.kind,
            u32::from(scalar.width) * 8
        )),
    }
}

/// Elements of an array, unless that depends on what is bound. A length that is an override has got a value.
pub(super) fn length(module: &Module, size: ArraySize) -> Result<Option<u32>, String> {
    match size.resolve(module.to_ctx()) {
        Ok(IndexableLength::Known(length)) => Ok(Some(length)),
        Ok(IndexableLength::Dynamic) => Ok(None),
        Err(_) => unsupported("an array whose length is an override without a value"),
    }
}

/// How many scalars a value of this type has; an array without a length counts as one of its elements.
pub(super) fn scalars(module: &Module, ty: Handle<Type>) -> Result<u32, String> {
    inner_scalars(module, &module.types[ty].inner)
}

pub(super) fn inner_scalars(module: &Module, inner: &TypeInner) -> Result<u32, String> {
    match *inner {
        TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => element(scalar).map(|_| 1),
        TypeInner::Vector { size, scalar } => element(scalar).map(|_| size as u32),
        TypeInner::Matrix {
            columns,
            rows,
            scalar,
        } => element(scalar).map(|_| columns as u32 * rows as u32),
        TypeInner::Array { base, size, .. } => {
            let len = length(module, size)?.unwrap_or(1);
            fit(scalars(module, base)?.checked_mul(len))
        }
        TypeInner::Struct { ref members, .. } => {
            let mut sum = 0;
            for member in members {
                sum = fit(scalars(module, member.ty)?.checked_add(sum))?;
            }
            Ok(sum)
        }
        _ => unsupported(
            "a value that is neither a number, a vector, a matrix, an array nor a struct",
        ),
    }
}

/// Bytes from one column of a matrix to the next.
fn column_bytes(rows: VectorSize, scalar: Scalar) -> u32 {
    let rows = match rows {
        VectorSize::Bi => 2,
        VectorSize::Tri | VectorSize::Quad => 4,
    };
    rows * u32::from(scalar.width)
}

/// How a value lies in a buffer.
pub(super) fn runs(module: &Module, pointee: Pointee) -> Result<Vec<Run>, String> {
    let mut runs = Vec::new();
    match pointee {
        Pointee::Scalar(scalar) => push(&mut runs, 0, 1, element(scalar)?),
        Pointee::Vector(size, scalar) => push(&mut runs, 0, size as u32, element(scalar)?),
        Pointee::Type(ty) => add_runs(module, ty, 0, &mut runs)?,
    }
    Ok(runs)
}

/// Adds scalars, to the last run where they continue it.
fn push(runs: &mut Vec<Run>, offset: u32, count: u32, element: Element) {
    if let Some(last) = runs.last_mut()
        && last.element == element
        && last.offset + last.count * element.bytes() == offset
    {
        last.count += count;
        return;
    }
    runs.push(Run {
        offset,
        count,
        element,
    });
}

fn add_runs(
    module: &Module,
    ty: Handle<Type>,
    offset: u32,
    runs: &mut Vec<Run>,
) -> Result<(), String> {
    let within = |more: u32| fit(offset.checked_add(more));
    match module.types[ty].inner {
        TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => {
            push(runs, offset, 1, element(scalar)?);
        }
        TypeInner::Vector { size, scalar } => push(runs, offset, size as u32, element(scalar)?),
        TypeInner::Matrix {
            columns,
            rows,
            scalar,
        } => {
            for column in 0..columns as u32 {
                let at = within(column * column_bytes(rows, scalar))?;
                push(runs, at, rows as u32, element(scalar)?);
            }
        }
        TypeInner::Array { base, size, stride } if size != ArraySize::Dynamic => {
            let len = length(module, size)?.unwrap_or(0);
            if scalars(module, ty)? > MAX_SCALARS {
                return unsupported(&format!("a value of more than {MAX_SCALARS} numbers"));
            }
            for at in 0..len {
                add_runs(module, base, within(fit(at.checked_mul(stride))?)?, runs)?;
            }
        }
        TypeInner::Struct { ref members, .. } => {
            for member in members {
                add_runs(module, member.ty, within(member.offset)?, runs)?;
            }
        }
        _ => return unsupported("a value of this type in a buffer"),
    }
    Ok(())
}

/// The parts of what a pointer points to, all alike.
pub(super) fn step(module: &Module, pointee: Pointee) -> Result<Step, String> {
    let vector = |size: VectorSize, scalar: Scalar| Step {
        part: Pointee::Scalar(scalar),
        bytes: u32::from(scalar.width),
        scalars: 1,
        len: Some(size as u32),
    };
    let ty = match pointee {
        Pointee::Vector(size, scalar) => return Ok(vector(size, scalar)),
        Pointee::Scalar(_) => return unsupported("a part of a number"),
        Pointee::Type(ty) => ty,
    };
    match module.types[ty].inner {
        TypeInner::Vector { size, scalar } => Ok(vector(size, scalar)),
        TypeInner::Matrix {
            columns,
            rows,
            scalar,
        } => Ok(Step {
            part: Pointee::Vector(rows, scalar),
            bytes: column_bytes(rows, scalar),
            scalars: rows as u32,
            len: Some(columns as u32),
        }),
        TypeInner::Array { base, size, stride } => Ok(Step {
            part: Pointee::Type(base),
            bytes: stride,
            scalars: scalars(module, base)?,
            len: length(module, size)?,
        }),
        _ => unsupported("an index into a value of this type"),
    }
}

/// A member of a struct: its type, and how many bytes and scalars come before it.
pub(super) fn member(
    module: &Module,
    ty: Handle<Type>,
    index: u32,
) -> Result<Option<(Handle<Type>, u32, u32)>, String> {
    let TypeInner::Struct { ref members, .. } = module.types[ty].inner else {
        return Ok(None);
    };
    let mut before = 0;
    for (at, member) in members.iter().enumerate() {
        if at as u32 == index {
            return Ok(Some((member.ty, member.offset, before)));
        }
        before = fit(scalars(module, member.ty)?.checked_add(before))?;
    }
    unsupported("a member that a struct does not have")
}
