//! Expressions, except those with chapters of their own.

use naga::{ArraySize, Expression, Handle, Span, TypeInner, VectorSize};

use super::body::{Body, Value};
use super::constants::{constant, literal};
use super::op::{Op, Row};
use super::shape::{Pointee, scalars, unsupported};

impl Body<'_, '_> {
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
