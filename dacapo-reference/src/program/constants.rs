//! Constant expressions of a module.

use naga::{Expression, Handle, Literal, ScalarKind};

use super::lower::Lower;
use super::op::Row;
use super::shape::{scalars, unsupported};

/// The bits that a literal has in a row.
pub(super) fn literal(literal: Literal) -> Result<u32, String> {
    Ok(match literal {
        Literal::F32(value) => value.to_bits(),
        Literal::F16(value) => value.to_f32().to_bits(),
        Literal::U32(value) => value,
        Literal::I32(value) => value as u32,
        Literal::Bool(value) => u32::from(value),
        Literal::AbstractInt(value) => value as u32,
        Literal::AbstractFloat(value) => (value as f32).to_bits(),
        Literal::F64(_) | Literal::U64(_) | Literal::I64(_) | Literal::U16(_) | Literal::I16(_) => {
            return unsupported("a number of 16 or 64 bits other than f16");
        }
    })
}

/// The rows of a constant expression of the module.
pub(super) fn constant(
    lower: &mut Lower<'_>,
    handle: Handle<Expression>,
) -> Result<Vec<Row>, String> {
    let module = lower.module;
    match module.global_expressions[handle] {
        Expression::Literal(value) => {
            let bits = literal(value)?;
            Ok(vec![lower.bits(bits)?])
        }
        Expression::Constant(handle) => constant(lower, module.constants[handle].init),
        Expression::ZeroValue(ty) => {
            let count = scalars(module, ty)?;
            Ok(vec![lower.bits(0)?; count as usize])
        }
        Expression::Compose { ref components, .. } => {
            let mut rows = Vec::new();
            for component in components {
                rows.extend(constant(lower, *component)?);
            }
            Ok(rows)
        }
        Expression::Splat { size, value } => {
            let rows = constant(lower, value)?;
            Ok(rows.repeat(size as usize))
        }
        Expression::As {
            expr,
            kind: ScalarKind::Float,
            convert: Some(2),
        } => constant(lower, expr),
        _ => unsupported("a constant expression of this form"),
    }
}
