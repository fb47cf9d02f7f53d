//! Operators: arithmetic, comparisons, selections.

use naga::{
    BinaryOperator, Expression, Handle, RelationalFunction, Scalar, ScalarKind, Span, TypeInner,
    UnaryOperator,
};

use super::body::Body;
use super::op::{Op, Row};
use super::shape::unsupported;
use crate::lanes::{Binary, Ternary, Trap, Unary};

/// What numbers are, as operations tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Half,
    Signed,
    Unsigned,
    Bool,
}

pub(super) fn kind(scalar: Scalar) -> Result<Kind, String> {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 4) => Ok(Kind::Float),
        (ScalarKind::Float, 2) => Ok(Kind::Half),
        (ScalarKind::Sint, 4) => Ok(Kind::Signed),
        (ScalarKind::Uint, 4) => Ok(Kind::Unsigned),
        (ScalarKind::Bool, _) => Ok(Kind::Bool),
        _ => unsupported("a number of this width"),
    }
}

impl Kind {
    pub(super) fn is_float(self) -> bool {
        matches!(self, Kind::Float | Kind::Half)
    }
}

impl Body<'_, '_> {
    pub(super) fn kind_of(&self, handle: Handle<Expression>) -> Result<Kind, String> {
        match self.inner(handle).scalar() {
            Some(scalar) => kind(scalar),
            None => unsupported("an operation on a value of this type"),
        }
    }

    pub(super) fn unary(&mut self, op: Unary, a: Row) -> Result<Row, String> {
        let dst = self.row()?;
        self.emit(Op::Unary { op, dst, a })?;
        Ok(dst)
    }

    pub(super) fn binary_op(&mut self, op: Binary, a: Row, b: Row) -> Result<Row, String> {
        let dst = self.row()?;
        self.emit(Op::Binary { op, dst, a, b })?;
        Ok(dst)
    }

    pub(super) fn ternary(&mut self, op: Ternary, a: Row, b: Row, c: Row) -> Result<Row, String> {
        let dst = self.row()?;
        self.emit(Op::Ternary { op, dst, a, b, c })?;
        Ok(dst)
    }

    /// What arithmetic on floats gives: rounded, if it is on halves, and watched.
    pub(super) fn rounded(
        &mut self,
        kind: Kind,
        row: Row,
        inputs: &[Row],
        span: Span,
    ) -> Result<Row, String> {
        let row = match kind {
            Kind::Half => self.unary(Unary::RoundF16, row)?,
            _ => row,
        };
        if self.lower.finite && kind.is_float() {
            let inputs = self.list(inputs);
            let site = self.lower.site(span);
            self.emit(Op::Finite { row, inputs, site })?;
        }
        Ok(row)
    }

    pub(super) fn unary_operator(
        &mut self,
        op: UnaryOperator,
        expr: Handle<Expression>,
    ) -> Result<Vec<Row>, String> {
        let op = match (op, self.kind_of(expr)?) {
            (UnaryOperator::Negate, kind) if kind.is_float() => Unary::NegF,
            (UnaryOperator::Negate, _) => Unary::NegI,
            (UnaryOperator::LogicalNot, _) | (UnaryOperator::BitwiseNot, Kind::Bool) => {
                Unary::LogicalNot
            }
            (UnaryOperator::BitwiseNot, _) => Unary::Not,
        };
        let rows = self.rows(expr)?;
        rows.into_iter().map(|row| self.unary(op, row)).collect()
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let is_matrix = |inner: &TypeInner| matches!(inner, TypeInner::Matrix { .. });
        let (l, r) = (self.inner(left), self.inner(right));
        if op == BinaryOperator::Multiply && (is_matrix(l) || is_matrix(r)) {
            return self.matrix_product(left, right, span);
        }
        let kind = self.kind_of(left)?;
        let (mut a, mut b) = (self.rows(left)?, self.rows(right)?);
        let count = a.len().max(b.len());
        for rows in [&mut a, &mut b] {
            if let [row] = **rows {
                *rows = vec![row; count];
            }
        }
        let pairs = a.into_iter().zip(b);
        pairs
            .map(|(a, b)| self.operator(op, kind, a, b, span))
            .collect()
    }

    /// One operation on two numbers.
    pub(super) fn operator(
        &mut self,
        op: BinaryOperator,
        kind: Kind,
        a: Row,
        b: Row,
        span: Span,
    ) -> Result<Row, String> {
        use BinaryOperator as B;
        let float = kind.is_float();
        let signed = kind == Kind::Signed;
        let (op, a, b) = match op {
            B::Add if float => (Binary::AddF, a, b),
            B::Subtract if float => (Binary::SubF, a, b),
            B::Multiply if float => (Binary::MulF, a, b),
            B::Divide if float => (Binary::DivF, a, b),
            B::Modulo if float => (Binary::RemF, a, b),
            B::Add => (Binary::AddI, a, b),
            B::Subtract => (Binary::SubI, a, b),
            B::Multiply => (Binary::MulI, a, b),
            B::Divide if signed => (Binary::DivI, a, b),
            B::Divide => (Binary::DivU, a, b),
            B::Modulo if signed => (Binary::RemI, a, b),
            B::Modulo => (Binary::RemU, a, b),
            B::Equal if float => (Binary::EqF, a, b),
            B::NotEqual if float => (Binary::NeF, a, b),
            B::Equal => (Binary::Eq, a, b),
            B::NotEqual => (Binary::Ne, a, b),
            B::Less if float => (Binary::LtF, a, b),
            B::LessEqual if float => (Binary::LeF, a, b),
            B::Greater if float => (Binary::LtF, b, a),
            B::GreaterEqual if float => (Binary::LeF, b, a),
            B::Less if signed => (Binary::LtI, a, b),
            B::LessEqual if signed => (Binary::LeI, a, b),
            B::Greater if signed => (Binary::LtI, b, a),
            B::GreaterEqual if signed => (Binary::LeI, b, a),
            B::Less => (Binary::LtU, a, b),
            B::LessEqual => (Binary::LeU, a, b),
            B::Greater => (Binary::LtU, b, a),
            B::GreaterEqual => (Binary::LeU, b, a),
            B::And | B::LogicalAnd => (Binary::And, a, b),
            B::InclusiveOr | B::LogicalOr => (Binary::Or, a, b),
            B::ExclusiveOr => (Binary::Xor, a, b),
            B::ShiftLeft => (Binary::Shl, a, b),
            B::ShiftRight if signed => (Binary::ShrI, a, b),
            B::ShiftRight => (Binary::ShrU, a, b),
        };
        let trap = match op {
            Binary::DivI | Binary::RemI => Some(Trap::DivI),
            Binary::DivU | Binary::RemU => Some(Trap::DivU),
            Binary::Shl | Binary::ShrI | Binary::ShrU => Some(Trap::Shift),
            _ => None,
        };
        if let Some(trap) = trap {
            self.trap(trap, a, b, span)?;
        }
        let row = self.binary_op(op, a, b)?;
        match op {
            Binary::AddF | Binary::SubF | Binary::MulF | Binary::DivF | Binary::RemF => {
                self.rounded(kind, row, &[a, b], span)
            }
            _ => Ok(row),
        }
    }

    pub(super) fn select(
        &mut self,
        condition: Handle<Expression>,
        accept: Handle<Expression>,
        reject: Handle<Expression>,
    ) -> Result<Vec<Row>, String> {
        let conditions = self.rows(condition)?;
        let (accept, reject) = (self.rows(accept)?, self.rows(reject)?);
        let mut rows = Vec::new();
        for (at, (yes, no)) in accept.into_iter().zip(reject).enumerate() {
            let condition = match *conditions {
                [one] => one,
                _ => conditions[at],
            };
            rows.push(self.ternary(Ternary::Select, no, yes, condition)?);
        }
        Ok(rows)
    }

    pub(super) fn relational(
        &mut self,
        fun: RelationalFunction,
        argument: Handle<Expression>,
    ) -> Result<Vec<Row>, String> {
        let rows = self.rows(argument)?;
        let op = match fun {
            RelationalFunction::IsNan => Unary::IsNan,
            RelationalFunction::IsInf => Unary::IsInf,
            RelationalFunction::All => return self.fold(Binary::And, rows),
            RelationalFunction::Any => return self.fold(Binary::Or, rows),
        };
        rows.into_iter().map(|row| self.unary(op, row)).collect()
    }

    fn fold(&mut self, op: Binary, rows: Vec<Row>) -> Result<Vec<Row>, String> {
        let mut rows = rows.into_iter();
        let Some(mut all) = rows.next() else {
            return unsupported("a vector of no components");
        };
        for row in rows {
            all = self.binary_op(op, all, row)?;
        }
        Ok(vec![all])
    }
}
