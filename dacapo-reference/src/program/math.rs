//! Built-in functions, component by component.

use naga::{Expression, Handle, MathFunction as F, Span, TypeInner};

use super::body::Body;
use super::op::{Op, Row};
use super::operator::Kind;
use super::shape::unsupported;
use crate::lanes::{Binary, Ternary, Unary};

/// The operands of one component.
type Operands = [Option<Row>; 4];

impl Body<'_, '_> {
    pub(super) fn math(
        &mut self,
        fun: F,
        arguments: [Option<Handle<Expression>>; 4],
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let Some(first) = arguments[0] else {
            return unsupported("a function without arguments");
        };
        match fun {
            F::Dot
            | F::Outer
            | F::Cross
            | F::Distance
            | F::Length
            | F::Normalize
            | F::FaceForward
            | F::Reflect
            | F::Refract
            | F::Inverse
            | F::Transpose
            | F::Determinant => return self.product(fun, arguments, span),
            F::Pack4x8snorm
            | F::Pack4x8unorm
            | F::Pack2x16snorm
            | F::Pack2x16unorm
            | F::Pack2x16float
            | F::Pack4xI8
            | F::Pack4xU8
            | F::Pack4xI8Clamp
            | F::Pack4xU8Clamp => {
                let rows = self.rows(first)?;
                return self.pack(fun, &rows);
            }
            F::Unpack4x8snorm
            | F::Unpack4x8unorm
            | F::Unpack2x16snorm
            | F::Unpack2x16unorm
            | F::Unpack2x16float
            | F::Unpack4xI8
            | F::Unpack4xU8 => {
                let row = self.scalar(first)?;
                return self.unpack(fun, row);
            }
            _ => {}
        }
        let kind = self.kind_of(first)?;
        let count = match *self.inner(first) {
            TypeInner::Vector { size, .. } => size as usize,
            _ => 1,
        };
        let mut columns = Vec::new();
        for argument in arguments.into_iter().flatten() {
            columns.push(self.spread(argument, count)?);
        }
        let operands = |at: usize| -> Operands {
            core::array::from_fn(|which| columns.get(which).map(|column| column[at]))
        };
        let mut rows = Vec::new();
        for at in 0..count {
            rows.push(self.component(fun, kind, operands(at), span)?);
        }
        // The second member of what these two give.
        let whole = match fun {
            F::Modf => Some(Unary::Trunc),
            F::Frexp => Some(Unary::FrexpExponent),
            _ => None,
        };
        if let Some(op) = whole {
            for row in &columns[0] {
                rows.push(self.unary(op, *row)?);
            }
        }
        Ok(rows)
    }

    fn component(
        &mut self,
        fun: F,
        kind: Kind,
        operands: Operands,
        span: Span,
    ) -> Result<Row, String> {
        let [Some(a), b, c, d] = operands else {
            return unsupported("a function without arguments");
        };
        let float = kind.is_float();
        if fun == F::Abs && kind == Kind::Unsigned {
            return Ok(a);
        }
        if let Some((op, rounds)) = unary(fun, kind) {
            let row = self.unary(op, a)?;
            return match rounds {
                true => self.rounded(kind, row, &[a], span),
                false => Ok(row),
            };
        }
        let Some(b) = b else {
            return unsupported(&format!("the function {fun:?} on numbers of this type"));
        };
        let two = match fun {
            F::Min if float => Some((Binary::MinF, false)),
            F::Max if float => Some((Binary::MaxF, false)),
            F::Min if kind == Kind::Signed => Some((Binary::MinI, false)),
            F::Max if kind == Kind::Signed => Some((Binary::MaxI, false)),
            F::Min => Some((Binary::MinU, false)),
            F::Max => Some((Binary::MaxU, false)),
            F::Pow => Some((Binary::PowF, true)),
            F::Atan2 => Some((Binary::Atan2, true)),
            F::Ldexp => Some((Binary::Ldexp, true)),
            F::Dot4I8Packed => Some((Binary::Dot4I8, false)),
            F::Dot4U8Packed => Some((Binary::Dot4U8, false)),
            _ => None,
        };
        if let Some((op, rounds)) = two {
            let row = self.binary_op(op, a, b)?;
            let inputs: &[Row] = if fun == F::Ldexp { &[a] } else { &[a, b] };
            return match rounds {
                true => self.rounded(kind, row, inputs, span),
                false => Ok(row),
            };
        }
        if fun == F::Step {
            // 1 where the edge `a` is not above `b`.
            let above = self.binary_op(Binary::LeF, a, b)?;
            return self.unary(Unary::BoolToF, above);
        }
        let Some(c) = c else {
            return unsupported(&format!("the function {fun:?} on numbers of this type"));
        };
        match fun {
            F::Clamp if float => self.ternary(Ternary::ClampF, a, b, c),
            F::Clamp if kind == Kind::Signed => self.ternary(Ternary::ClampI, a, b, c),
            F::Clamp => self.ternary(Ternary::ClampU, a, b, c),
            F::Fma => {
                let op = if kind == Kind::Half {
                    Ternary::FmaF16
                } else {
                    Ternary::Fma
                };
                let row = self.ternary(op, a, b, c)?;
                self.rounded(kind, row, &[a, b, c], span)
            }
            F::Mix => {
                let one = self.lower.bits(1f32.to_bits())?;
                let rest = self.float(Binary::SubF, kind, one, c, span)?;
                let left = self.float(Binary::MulF, kind, a, rest, span)?;
                let right = self.float(Binary::MulF, kind, b, c, span)?;
                self.float(Binary::AddF, kind, left, right, span)
            }
            F::SmoothStep => {
                let above = self.float(Binary::SubF, kind, c, a, span)?;
                let width = self.float(Binary::SubF, kind, b, a, span)?;
                let part = self.float(Binary::DivF, kind, above, width, span)?;
                let t = self.unary(Unary::Saturate, part)?;
                let square = self.float(Binary::MulF, kind, t, t, span)?;
                let two = self.lower.bits(2f32.to_bits())?;
                let three = self.lower.bits(3f32.to_bits())?;
                let double = self.float(Binary::MulF, kind, two, t, span)?;
                let rest = self.float(Binary::SubF, kind, three, double, span)?;
                self.float(Binary::MulF, kind, square, rest, span)
            }
            F::ExtractBits if kind == Kind::Signed => self.ternary(Ternary::ExtractBitsI, a, b, c),
            F::ExtractBits => self.ternary(Ternary::ExtractBitsU, a, b, c),
            F::InsertBits => {
                let Some(count) = d else {
                    return unsupported("bits to insert without a count");
                };
                let dst = self.row()?;
                self.emit(Op::InsertBits {
                    dst,
                    value: a,
                    bits: b,
                    offset: c,
                    count,
                })?;
                Ok(dst)
            }
            _ => unsupported(&format!("the function {fun:?} on numbers of this type")),
        }
    }

    /// Arithmetic on floats of this kind.
    pub(super) fn float(
        &mut self,
        op: Binary,
        kind: Kind,
        a: Row,
        b: Row,
        span: Span,
    ) -> Result<Row, String> {
        let row = self.binary_op(op, a, b)?;
        self.rounded(kind, row, &[a, b], span)
    }

    fn pack(&mut self, fun: F, rows: &[Row]) -> Result<Vec<Row>, String> {
        let (op, bits) = match fun {
            F::Pack4x8snorm => (Unary::ToSnorm8, 8),
            F::Pack4x8unorm => (Unary::ToUnorm8, 8),
            F::Pack2x16snorm => (Unary::ToSnorm16, 16),
            F::Pack2x16unorm => (Unary::ToUnorm16, 16),
            F::Pack2x16float => (Unary::ToF16Bits, 16),
            F::Pack4xI8Clamp => (Unary::ClampI8, 8),
            F::Pack4xU8Clamp => (Unary::ClampU8, 8),
            _ => (Unary::ByteU(0), 8),
        };
        let mut packed = self.lower.bits(0)?;
        for (at, row) in rows.iter().enumerate() {
            let part = self.unary(op, *row)?;
            let shift = self.lower.bits(at as u32 * bits)?;
            let part = self.binary_op(Binary::Shl, part, shift)?;
            packed = self.binary_op(Binary::Or, packed, part)?;
        }
        Ok(vec![packed])
    }

    fn unpack(&mut self, fun: F, row: Row) -> Result<Vec<Row>, String> {
        type Part = fn(u8) -> Unary;
        let (count, part, value): (u8, Part, Option<Unary>) = match fun {
            F::Unpack4x8snorm => (4, Unary::ByteI, Some(Unary::FromSnorm8)),
            F::Unpack4x8unorm => (4, Unary::ByteU, Some(Unary::FromUnorm8)),
            F::Unpack2x16snorm => (2, Unary::HalfI, Some(Unary::FromSnorm16)),
            F::Unpack2x16unorm => (2, Unary::HalfU, Some(Unary::FromUnorm16)),
            F::Unpack2x16float => (2, Unary::HalfU, Some(Unary::FromF16Bits)),
            F::Unpack4xI8 => (4, Unary::ByteI, None),
            _ => (4, Unary::ByteU, None),
        };
        let mut rows = Vec::new();
        for at in 0..count {
            let mut own = self.unary(part(at), row)?;
            if let Some(value) = value {
                own = self.unary(value, own)?;
            }
            rows.push(own);
        }
        Ok(rows)
    }
}

/// The operation behind a function of one number, and whether its result is rounded and watched.
fn unary(fun: F, kind: Kind) -> Option<(Unary, bool)> {
    let float = kind.is_float();
    Some(match fun {
        F::Abs if float => (Unary::AbsF, false),
        F::Abs if kind == Kind::Signed => (Unary::AbsI, false),
        F::Sign if float => (Unary::SignF, false),
        F::Sign => (Unary::SignI, false),
        F::Saturate => (Unary::Saturate, false),
        F::Cos => (Unary::Cos, true),
        F::Cosh => (Unary::Cosh, true),
        F::Sin => (Unary::Sin, true),
        F::Sinh => (Unary::Sinh, true),
        F::Tan => (Unary::Tan, true),
        F::Tanh => (Unary::Tanh, true),
        F::Acos => (Unary::Acos, true),
        F::Asin => (Unary::Asin, true),
        F::Atan => (Unary::Atan, true),
        F::Asinh => (Unary::Asinh, true),
        F::Acosh => (Unary::Acosh, true),
        F::Atanh => (Unary::Atanh, true),
        F::Radians => (Unary::Radians, true),
        F::Degrees => (Unary::Degrees, true),
        F::Ceil => (Unary::Ceil, false),
        F::Floor => (Unary::Floor, false),
        F::Round => (Unary::Round, false),
        F::Fract => (Unary::Fract, true),
        F::Trunc => (Unary::Trunc, false),
        F::Modf => (Unary::ModfFract, false),
        F::Frexp => (Unary::FrexpFract, false),
        F::Exp => (Unary::Exp, true),
        F::Exp2 => (Unary::Exp2, true),
        F::Log => (Unary::Log, true),
        F::Log2 => (Unary::Log2, true),
        F::Sqrt => (Unary::Sqrt, true),
        F::InverseSqrt => (Unary::InverseSqrt, true),
        F::QuantizeToF16 => (Unary::RoundF16, false),
        F::CountOneBits => (Unary::CountOneBits, false),
        F::CountLeadingZeros => (Unary::CountLeadingZeros, false),
        F::CountTrailingZeros => (Unary::CountTrailingZeros, false),
        F::ReverseBits => (Unary::ReverseBits, false),
        F::FirstTrailingBit => (Unary::FirstTrailingBit, false),
        F::FirstLeadingBit if kind == Kind::Signed => (Unary::FirstLeadingBitI, false),
        F::FirstLeadingBit => (Unary::FirstLeadingBitU, false),
        _ => return None,
    })
}
