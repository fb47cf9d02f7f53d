//! Pointers, loads, stores and atomic operations.

use naga::{AtomicFunction, Expression, Handle, ScalarKind, Span, TypeInner};

use super::body::{Body, Place, Pointer, Value};
use super::op::{Element, Op, Root, Row, TouchId};
use super::shape::{Pointee, member, runs, step, unsupported};
use crate::lanes::Trap;
use crate::lanes::atomic::AtomicOperation;
use crate::report::Access;

impl Body<'_, '_> {
    /// A member, an element, a column or a component, of a number that is known.
    pub(super) fn part(&mut self, base: Pointer, index: u32) -> Result<Pointer, String> {
        let module = self.lower.module;
        if let Pointee::Type(ty) = base.pointee
            && let Some((ty, bytes, scalars)) = member(module, ty, index)?
        {
            let more = if base.place.counts_bytes() {
                bytes
            } else {
                scalars
            };
            return Ok(Pointer {
                pointee: Pointee::Type(ty),
                offset: base.address(more)?.offset,
                ..base
            });
        }
        let step = step(module, base.pointee)?;
        let unit = if base.place.counts_bytes() {
            step.bytes
        } else {
            step.scalars
        };
        let more = index
            .checked_mul(unit)
            .ok_or("an index that passes 4 GiB")?;
        Ok(Pointer {
            pointee: step.part,
            offset: base.address(more)?.offset,
            ..base
        })
    }

    /// An element, a column or a component, of a number that is known at run time.
    pub(super) fn element_at(
        &mut self,
        base: Pointer,
        index: Row,
        span: Span,
    ) -> Result<Pointer, String> {
        let step = step(self.lower.module, base.pointee)?;
        if let Some(known) = self.lower.known(index)
            && step.len.is_some_and(|len| known < len)
        {
            return self.part(base, known);
        }
        let dst = self.row()?;
        let site = self.lower.site(span);
        let stride = if base.place.counts_bytes() {
            step.bytes
        } else {
            step.scalars
        };
        self.emit(Op::Index {
            dst,
            index,
            base: base.at,
            stride,
            len: step.len,
            site,
        })?;
        Ok(Pointer {
            pointee: step.part,
            at: Some(dst),
            ..base
        })
    }

    fn scalars_of(&self, pointee: Pointee) -> Result<u32, String> {
        match pointee {
            Pointee::Scalar(_) => Ok(1),
            Pointee::Vector(size, _) => Ok(size as u32),
            Pointee::Type(ty) => self.rows_of(ty),
        }
    }

    /// How an access through a pointer races: loads and stores of atomic variables are atomic operations.
    fn touch_through(&mut self, pointer: Pointer, span: Span, plain: Access) -> TouchId {
        let is_atomic = match pointer.pointee {
            Pointee::Type(ty) => matches!(self.lower.module.types[ty].inner, TypeInner::Atomic(_)),
            _ => false,
        };
        let access = if is_atomic { Access::Atomic } else { plain };
        self.lower.touch(span, access)
    }

    pub(super) fn load(&mut self, pointer: Pointer, span: Span) -> Result<Vec<Row>, String> {
        let count = self.scalars_of(pointer.pointee)?;
        let first = self.lower.new_rows(count)?;
        match pointer.place {
            Place::Storage(_) | Place::Inline => {
                let mut dst = first;
                for run in runs(self.lower.module, pointer.pointee)? {
                    let address = pointer.address(run.offset)?;
                    let (count, element) = (run.count, run.element);
                    let op = match pointer.place {
                        Place::Storage(buffer) => Op::Load {
                            root: Root::Storage(buffer),
                            address,
                            dst,
                            count,
                            element,
                            touch: self.touch_through(pointer, span, Access::Read),
                        },
                        _ => Op::LoadInline {
                            address,
                            dst,
                            count,
                            element,
                        },
                    };
                    self.emit(op)?;
                    dst += run.count;
                }
            }
            Place::Workgroup(word) => {
                let touch = self.touch_through(pointer, span, Access::Read);
                self.emit(Op::Load {
                    root: Root::Workgroup(word),
                    address: pointer.address(0)?,
                    dst: first,
                    count,
                    element: Element::Word,
                    touch,
                })?;
            }
            Place::Private {
                first: variable,
                tracked,
            } => {
                let site = self.lower.site(span);
                let tracked = tracked.map(|first| first + pointer.offset);
                let from = variable + pointer.offset;
                match pointer.at {
                    Some(at) => self.emit(Op::LoadPrivate {
                        first: from,
                        at,
                        dst: first,
                        count,
                        tracked,
                        site,
                    })?,
                    None => {
                        if let Some(first) = tracked {
                            self.emit(Op::CheckWritten { first, count, site })?;
                        }
                        for at in 0..count {
                            self.emit(Op::Copy {
                                dst: first + at,
                                src: from + at,
                            })?;
                        }
                    }
                }
            }
        }
        Ok((first..first + count).collect())
    }

    pub(super) fn store(
        &mut self,
        pointer: Pointer,
        rows: &[Row],
        span: Span,
    ) -> Result<(), String> {
        match pointer.place {
            Place::Storage(buffer) => {
                let mut rest = rows;
                for run in runs(self.lower.module, pointer.pointee)? {
                    let (own, after) = rest.split_at(run.count as usize);
                    rest = after;
                    let src = self.list(own);
                    let touch = self.touch_through(pointer, span, Access::Write);
                    self.emit(Op::Store {
                        root: Root::Storage(buffer),
                        address: pointer.address(run.offset)?,
                        src,
                        element: run.element,
                        touch,
                    })?;
                }
                Ok(())
            }
            Place::Workgroup(word) => {
                let src = self.list(rows);
                let touch = self.touch_through(pointer, span, Access::Write);
                self.emit(Op::Store {
                    root: Root::Workgroup(word),
                    address: pointer.address(0)?,
                    src,
                    element: Element::Word,
                    touch,
                })
            }
            Place::Private { first, tracked } => {
                let first = first + pointer.offset;
                let tracked = tracked.map(|first| first + pointer.offset);
                match pointer.at {
                    Some(at) => {
                        let src = self.list(rows);
                        self.emit(Op::StorePrivate {
                            first,
                            at,
                            src,
                            tracked,
                        })
                    }
                    None => {
                        for (dst, src) in (first..).zip(rows) {
                            self.emit(Op::Set { dst, src: *src })?;
                        }
                        let count = rows.len() as u32;
                        match tracked {
                            Some(first) => self.emit(Op::Mark { first, count }),
                            None => Ok(()),
                        }
                    }
                }
            }
            Place::Inline => unsupported("a store to the inline constants"),
        }
    }

    /// Where memory that workgroups or invocations share is accessed.
    pub(super) fn root(&self, pointer: &Pointer) -> Result<Root, String> {
        match pointer.place {
            Place::Storage(buffer) => Ok(Root::Storage(buffer)),
            Place::Workgroup(word) => Ok(Root::Workgroup(word)),
            _ => unsupported("this operation on memory that nobody shares"),
        }
    }

    pub(super) fn atomic(
        &mut self,
        pointer: Handle<Expression>,
        fun: AtomicFunction,
        value: Handle<Expression>,
        result: Option<Handle<Expression>>,
        span: Span,
    ) -> Result<(), String> {
        let scalar = self.inner(value).scalar();
        let kind = scalar.map(|scalar| scalar.kind);
        if scalar.is_none_or(|scalar| scalar.width != 4) {
            return unsupported("an atomic operation on other than 32 bits");
        }
        let is_float = kind == Some(ScalarKind::Float);
        let is_signed = kind == Some(ScalarKind::Sint);
        let mut compare = None;
        let op = match fun {
            AtomicFunction::Add if is_float => AtomicOperation::AddF,
            AtomicFunction::Add => AtomicOperation::Add,
            AtomicFunction::Subtract if is_float => AtomicOperation::SubF,
            AtomicFunction::Subtract => AtomicOperation::Sub,
            AtomicFunction::And => AtomicOperation::And,
            AtomicFunction::ExclusiveOr => AtomicOperation::Xor,
            AtomicFunction::InclusiveOr => AtomicOperation::Or,
            AtomicFunction::Min | AtomicFunction::Max if is_float => {
                return unsupported("an atomic minimum or maximum of floats");
            }
            AtomicFunction::Min if is_signed => AtomicOperation::MinI,
            AtomicFunction::Min => AtomicOperation::MinU,
            AtomicFunction::Max if is_signed => AtomicOperation::MaxI,
            AtomicFunction::Max => AtomicOperation::MaxU,
            AtomicFunction::Exchange { compare: with } => {
                compare = with.map(|handle| self.scalar(handle)).transpose()?;
                AtomicOperation::Exchange
            }
        };
        let value = self.scalar(value)?;
        let pointer = self.pointer(pointer)?;
        let (root, address) = (self.root(&pointer)?, pointer.address(0)?);
        let (old, exchanged) = (self.row()?, self.row()?);
        let touch = self.lower.touch(span, Access::Atomic);
        self.emit(Op::Atomic {
            root,
            address,
            op,
            value,
            compare,
            old,
            exchanged,
            touch,
        })?;
        if let Some(result) = result {
            self.set(
                result,
                match compare {
                    Some(_) => vec![old, exchanged],
                    None => vec![old],
                },
            );
        }
        Ok(())
    }

    pub(super) fn array_length(&mut self, pointer: Handle<Expression>) -> Result<Value, String> {
        let pointer = self.pointer(pointer)?;
        let Place::Storage(binding) = pointer.place else {
            return unsupported("the length of an array that is in no buffer");
        };
        let stride = step(self.lower.module, pointer.pointee)?.bytes;
        let dst = self.row()?;
        self.emit(Op::ArrayLength {
            dst,
            binding,
            offset: pointer.offset,
            stride,
        })?;
        Ok(Value::Rows(vec![dst]))
    }

    /// Reports what should not be asked of an operation, unless it is known that it is not.
    pub(super) fn trap(&mut self, trap: Trap, a: Row, b: Row, span: Span) -> Result<(), String> {
        let is_fine = match (trap, self.lower.known(b)) {
            (Trap::DivI, Some(b)) => b != 0 && b != u32::MAX,
            (Trap::DivU, Some(b)) => b != 0,
            (Trap::Shift, Some(b)) => b < 32,
            _ => false,
        };
        if is_fine {
            return Ok(());
        }
        let site = self.lower.site(span);
        self.emit(Op::Trap { trap, a, b, site })
    }
}
