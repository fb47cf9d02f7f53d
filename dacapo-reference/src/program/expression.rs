//! Expressions, except those with chapters of their own.

use naga::{
    ArraySize, BinaryOperator, Expression, Handle, RelationalFunction, Scalar, ScalarKind, Span,
    TypeInner, UnaryOperator, VectorSize,
};

use super::body::{Body, Value};
use super::constants::{constant, literal};
use super::op::{Op, Row};
use super::shape::{Pointee, scalars, unsupported};
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

    pub(super) fn evaluate(&mut self, handle: Handle<Expression>) -> Result<Value, String> {
        let module = self.lower.module;
        let span = self.span(handle);
        let function = self.function;
        let rows = match function.expressions[handle] {
            Expression::Literal(value) => vec![self.lower.bits(literal(value)?)?],
            Expression::Constant(handle) => constant(self.lower, module.constants[handle].init)?,
            Expression::ZeroValue(ty) => {
                let count = self.rows_of(ty)?;
                vec![self.lower.bits(0)?; count as usize]
            }
            Expression::Compose { ref components, .. } => {
                let mut rows = Vec::new();
                for component in components {
                    rows.extend(self.rows(*component)?);
                }
                rows
            }
            Expression::Splat { size, value } => self.rows(value)?.repeat(size as usize),
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => {
                let from = self.rows(vector)?;
                let chosen = pattern[..size as usize].iter();
                chosen.map(|part| from[*part as usize]).collect()
            }
            Expression::FunctionArgument(index) => return self.argument(index),
            Expression::LocalVariable(variable) => return Ok(self.variable(variable)),
            Expression::GlobalVariable(global) => {
                let ty = module.global_variables[global].ty;
                return match self.lower.globals.get(&global) {
                    Some(place) => Ok(place.whole(Pointee::Type(ty))),
                    None => unsupported("a variable in this address space"),
                };
            }
            Expression::Access { base, index } => return self.access(base, index, span),
            Expression::AccessIndex { base, index } => match self.value(base)? {
                Value::Pointer(pointer) => return self.part(pointer, index).map(Value::Pointer),
                Value::Rows(rows) => {
                    let (first, count) = self.rows_within(base, index)?;
                    rows[first as usize..(first + count) as usize].to_vec()
                }
            },
            Expression::Load { pointer } => {
                let pointer = self.pointer(pointer)?;
                self.load(pointer, span)?
            }
            Expression::Unary { op, expr } => self.unary_operator(op, expr)?,
            Expression::Binary { op, left, right } => self.binary(op, left, right, span)?,
            Expression::Select {
                condition,
                accept,
                reject,
            } => self.select(condition, accept, reject)?,
            Expression::Relational { fun, argument } => self.relational(fun, argument)?,
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                arg3,
            } => self.math(fun, [Some(arg), arg1, arg2, arg3], span)?,
            Expression::As {
                expr,
                kind,
                convert,
            } => self.convert(expr, kind, convert, span)?,
            Expression::ArrayLength(pointer) => return self.array_length(pointer),
            Expression::CooperativeLoad { ref data, .. } => self.load_matrix(handle, data, span)?,
            Expression::CooperativeMultiplyAdd { a, b, c } => {
                self.multiply_add(handle, [a, b, c], span)?
            }
            Expression::CallResult(_)
            | Expression::AtomicResult { .. }
            | Expression::WorkGroupUniformLoadResult { .. }
            | Expression::SubgroupBallotResult
            | Expression::SubgroupOperationResult { .. } => {
                return unsupported("a result before its statement");
            }
            _ => return unsupported("an expression of this form"),
        };
        Ok(Value::Rows(rows))
    }

    /// Which rows of a value one of its parts has.
    fn rows_within(&self, base: Handle<Expression>, index: u32) -> Result<(u32, u32), String> {
        let module = self.lower.module;
        match *self.inner(base) {
            TypeInner::Struct { ref members, .. } => {
                let mut first = 0;
                for member in &members[..index as usize] {
                    first += scalars(module, member.ty)?;
                }
                Ok((first, scalars(module, members[index as usize].ty)?))
            }
            ref inner => {
                let count = self.part_scalars(inner)?;
                Ok((index * count, count))
            }
        }
    }

    /// Scalars of one part of a vector, a matrix or an array.
    fn part_scalars(&self, inner: &TypeInner) -> Result<u32, String> {
        match *inner {
            TypeInner::Vector { .. } => Ok(1),
            TypeInner::Matrix { rows, .. } => Ok(rows as u32),
            TypeInner::Array {
                base,
                size: ArraySize::Constant(_) | ArraySize::Pending(_),
                ..
            } => scalars(self.lower.module, base),
            _ => unsupported("a part of a value of this type"),
        }
    }

    fn access(
        &mut self,
        base: Handle<Expression>,
        index: Handle<Expression>,
        span: Span,
    ) -> Result<Value, String> {
        let index = self.scalar(index)?;
        match self.value(base)? {
            Value::Pointer(pointer) => self.element_at(pointer, index, span).map(Value::Pointer),
            Value::Rows(rows) => {
                let count = self.part_scalars(self.inner(base))?;
                let dst = self.lower.new_rows(count)?;
                let site = self.lower.site(span);
                let src = self.list(&rows);
                self.emit(Op::Pick {
                    dst,
                    src,
                    count,
                    index,
                    site,
                })?;
                Ok(Value::Rows((dst..dst + count).collect()))
            }
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

    fn unary_operator(
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

    fn binary(
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

    fn select(
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

    fn relational(
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

    fn convert(
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

    /// A vector's components, of which a number alone stands for all.
    pub(super) fn spread(
        &mut self,
        handle: Handle<Expression>,
        count: usize,
    ) -> Result<Vec<Row>, String> {
        let rows = self.rows(handle)?;
        Ok(match *rows {
            [row] => vec![row; count],
            _ => rows,
        })
    }

    /// How many rows and columns a matrix has.
    pub(super) fn matrix_shape(
        &self,
        handle: Handle<Expression>,
    ) -> Option<(VectorSize, VectorSize)> {
        match *self.inner(handle) {
            TypeInner::Matrix { columns, rows, .. } => Some((columns, rows)),
            _ => None,
        }
    }
}
