//! Conversions between numbers.

use naga::{Expression, Handle, Scalar, ScalarKind, Span};

use super::body::Body;
use super::op::Row;
use super::operator::{Kind, kind};
use super::shape::unsupported;
use crate::lanes::{Trap, Unary};

impl Body<'_, '_> {
    pub(super) fn convert(
        &mut self,
        expr: Handle<Expression>,
        to: ScalarKind,
        width: Option<u8>,
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let from = self.kind_of(expr)?;
        let rows = self.rows(expr)?;
        let Some(width) = width else {
            return self.bitcast(expr, from, to, rows);
        };
        let to = kind(Scalar { kind: to, width })?;
        let mut converted = Vec::new();
        for row in rows {
            let op = match (from, to) {
                (Kind::Float | Kind::Half, Kind::Signed) => Some((Unary::FToI, Some(Trap::FToI))),
                (Kind::Float | Kind::Half, Kind::Unsigned) => Some((Unary::FToU, Some(Trap::FToU))),
                (Kind::Float | Kind::Half, Kind::Bool) => Some((Unary::FToBool, None)),
                (Kind::Signed | Kind::Unsigned, Kind::Bool) => Some((Unary::BitsToBool, None)),
                (Kind::Signed, Kind::Float | Kind::Half) => Some((Unary::IToF, None)),
                (Kind::Unsigned, Kind::Float | Kind::Half) => Some((Unary::UToF, None)),
                (Kind::Bool, Kind::Float | Kind::Half) => Some((Unary::BoolToF, None)),
                _ => None,
            };
            let mut result = row;
            if let Some((op, trap)) = op {
                if let Some(trap) = trap {
                    self.trap(trap, row, row, span)?;
                }
                result = self.unary(op, row)?;
            }
            if to == Kind::Half && from != Kind::Half && from != Kind::Bool {
                result = self.rounded(Kind::Half, result, &[row], span)?;
            }
            converted.push(result);
        }
        Ok(converted)
    }

    fn bitcast(
        &mut self,
        expr: Handle<Expression>,
        from: Kind,
        to: ScalarKind,
        rows: Vec<Row>,
    ) -> Result<Vec<Row>, String> {
        match (from, to) {
            (Kind::Half, to) if to != ScalarKind::Float => {
                unsupported(&format!("a bitcast of {:?}", self.inner(expr)))
            }
            // Rows hold bits.
            _ => Ok(rows),
        }
    }
}
