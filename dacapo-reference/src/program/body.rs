//! One function: its values and statements.

use naga::valid::FunctionInfo;
use naga::{Expression, Handle, Span, Statement, SwitchValue, Type, TypeInner};

use super::Parts;
use super::lower::Lower;
use super::op::{Address, Block, Case, List, Node, Op, Row};
use super::shape::{Pointee, scalars, unsupported};

/// What an expression stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Its scalars, in order.
    Rows(Vec<Row>),
    Pointer(Pointer),
}

/// A variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// By its number among the buffers. Units are bytes.
    Storage(u32),
    /// The inline constants. Units are bytes.
    Inline,
    /// By its first word. Units are scalars.
    Workgroup(u32),
    /// Of each invocation. Units are scalars.
    Private { first: Row, tracked: Option<u32> },
}

impl Place {
    pub(super) fn counts_bytes(self) -> bool {
        matches!(self, Place::Storage(_) | Place::Inline)
    }
}

/// A place in a variable, with a part that is only known at run time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pointer {
    pub(super) place: Place,
    pub(super) pointee: Pointee,
    pub(super) at: Option<Row>,
    pub(super) offset: u32,
}

impl Pointer {
    pub(super) fn address(&self, more: u32) -> Result<Address, String> {
        let offset = self.offset.checked_add(more);
        Ok(Address {
            at: self.at,
            offset: offset.ok_or("an offset of 4 GiB or more")?,
        })
    }
}

pub(super) struct Body<'l, 'a> {
    pub(super) lower: &'l mut Lower<'a>,
    pub(super) function: &'a naga::Function,
    pub(super) info: &'a FunctionInfo,
    values: Vec<Option<Value>>,
    arguments: Vec<Value>,
    locals: Vec<Place>,
    /// Where the result goes.
    results: Vec<Row>,
    code: Vec<Node>,
    /// What is evaluated together, and the place of the statement that comes next.
    emitted: Option<naga::Range<Expression>>,
    next: Span,
}

impl<'l, 'a> Body<'l, 'a> {
    pub(super) fn new(
        lower: &'l mut Lower<'a>,
        function: &'a naga::Function,
        info: &'a FunctionInfo,
        arguments: Vec<Value>,
        results: Vec<Row>,
        code: Vec<Node>,
    ) -> Result<Body<'l, 'a>, String> {
        let mut body = Body {
            lower,
            function,
            info,
            values: vec![None; function.expressions.len()],
            arguments,
            locals: Vec::new(),
            results,
            code,
            emitted: None,
            next: Span::UNDEFINED,
        };
        for (_, local) in function.local_variables.iter() {
            body.local(local)?;
        }
        Ok(body)
    }

    /// Makes room for a variable, and sets it as it is when the function is entered.
    fn local(&mut self, local: &naga::LocalVariable) -> Result<(), String> {
        let count = self.rows_of(local.ty)?;
        let first = self.lower.new_rows(count)?;
        let mut tracked = None;
        let values = match local.init {
            Some(init) => self.rows(init)?,
            None => {
                let name = local.name.clone().unwrap_or_default();
                let parts = Parts::of(self.lower.module, local.ty);
                let scalars = self.lower.track(name, parts, count);
                self.emit(Op::Unmark {
                    first: scalars,
                    count,
                })?;
                tracked = Some(scalars);
                vec![self.lower.bits(0)?; count as usize]
            }
        };
        for (dst, src) in (first..).zip(values) {
            self.emit(Op::Set { dst, src })?;
        }
        self.locals.push(Place::Private { first, tracked });
        Ok(())
    }

    pub(super) fn lower(mut self) -> Result<Block, String> {
        let function = self.function;
        self.statements(&function.body)?;
        Ok(self.code.into())
    }

    pub(super) fn emit(&mut self, op: Op) -> Result<(), String> {
        self.push(Node::Op(op))
    }

    pub(super) fn push(&mut self, node: Node) -> Result<(), String> {
        self.lower.count()?;
        self.code.push(node);
        Ok(())
    }

    pub(super) fn row(&mut self) -> Result<Row, String> {
        self.lower.new_rows(1)
    }

    /// How many rows a value of this type takes.
    pub(super) fn rows_of(&self, ty: Handle<Type>) -> Result<u32, String> {
        let module = self.lower.module;
        match module.types[ty].inner {
            TypeInner::CooperativeMatrix { columns, .. } => Ok(self.matrix_rows(columns as u32)),
            _ => scalars(module, ty),
        }
    }

    pub(super) fn list(&mut self, rows: &[Row]) -> List {
        self.lower.list(rows)
    }

    pub(super) fn inner(&self, handle: Handle<Expression>) -> &'a TypeInner {
        self.info[handle].ty.inner_with(&self.lower.module.types)
    }

    /// The place of an expression. naga knows none for a load of a local variable: it is that of the next expression which
    /// has one, most often what the load is for, or of the next statement.
    pub(super) fn span(&self, handle: Handle<Expression>) -> Span {
        let expressions = &self.function.expressions;
        let own = expressions.get_span(handle);
        if own.is_defined() || !matches!(expressions[handle], Expression::Load { .. }) {
            return own;
        }
        let emitted = self.emitted.iter().flat_map(|range| range.clone());
        let later = emitted.filter(|later| later.index() > handle.index());
        let mut spans = later.map(|later| expressions.get_span(later));
        spans.find(Span::is_defined).unwrap_or(self.next)
    }

    /// What an expression stands for; one that need not be evaluated at some point of the code is, when it is asked
    /// for first.
    pub(super) fn value(&mut self, handle: Handle<Expression>) -> Result<Value, String> {
        if let Some(value) = &self.values[handle.index()] {
            return Ok(value.clone());
        }
        let value = self.evaluate(handle)?;
        self.values[handle.index()] = Some(value.clone());
        Ok(value)
    }

    pub(super) fn set(&mut self, handle: Handle<Expression>, rows: Vec<Row>) {
        self.values[handle.index()] = Some(Value::Rows(rows));
    }

    /// The scalars of an expression.
    pub(super) fn rows(&mut self, handle: Handle<Expression>) -> Result<Vec<Row>, String> {
        match self.value(handle)? {
            Value::Rows(rows) => Ok(rows),
            Value::Pointer(_) => unsupported("a pointer as a value"),
        }
    }

    /// The only scalar of an expression.
    pub(super) fn scalar(&mut self, handle: Handle<Expression>) -> Result<Row, String> {
        match *self.rows(handle)? {
            [row] => Ok(row),
            _ => unsupported("several numbers in place of one"),
        }
    }

    pub(super) fn pointer(&mut self, handle: Handle<Expression>) -> Result<Pointer, String> {
        match self.value(handle)? {
            Value::Pointer(pointer) => Ok(pointer),
            Value::Rows(_) => unsupported("a value as a pointer"),
        }
    }

    pub(super) fn argument(&self, index: u32) -> Result<Value, String> {
        match self.arguments.get(index as usize) {
            Some(value) => Ok(value.clone()),
            None => unsupported("an argument that is not there"),
        }
    }

    pub(super) fn variable(&self, handle: Handle<naga::LocalVariable>) -> Value {
        let ty = self.function.local_variables[handle].ty;
        self.locals[handle.index()].whole(Pointee::Type(ty))
    }

    fn block(&mut self, block: &'a naga::Block) -> Result<Block, String> {
        self.lower.deeper()?;
        let outer = core::mem::take(&mut self.code);
        self.statements(block)?;
        self.lower.depth -= 1;
        Ok(core::mem::replace(&mut self.code, outer).into())
    }

    fn statements(&mut self, block: &'a naga::Block) -> Result<(), String> {
        let spans = block.span_iter().map(|(_, span)| *span);
        let nexts = spans.skip(1).chain([Span::UNDEFINED]);
        for ((statement, span), next) in block.span_iter().zip(nexts) {
            self.next = next;
            self.statement(statement, *span).map_err(|message| {
                match message.starts_with("line ") {
                    true => message,
                    false => self.lower.point(*span, message),
                }
            })?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &'a Statement, span: Span) -> Result<(), String> {
        match *statement {
            Statement::Emit(ref range) => {
                self.emitted = Some(range.clone());
                for handle in range.clone() {
                    let value = self.evaluate(handle)?;
                    self.values[handle.index()] = Some(value);
                }
                Ok(())
            }
            Statement::Block(ref inner) => self.statements(inner),
            Statement::If {
                condition,
                ref accept,
                ref reject,
            } => {
                let condition = self.scalar(condition)?;
                let accept = self.block(accept)?;
                let reject = self.block(reject)?;
                self.push(Node::If {
                    condition,
                    accept,
                    reject,
                })
            }
            Statement::Switch {
                selector,
                ref cases,
            } => self.switch(selector, cases),
            Statement::Loop {
                ref body,
                ref continuing,
                break_if,
            } => {
                let site = self.lower.site(span);
                let body = self.block(body)?;
                let continuing = self.block(continuing)?;
                let break_if = break_if.map(|handle| self.scalar(handle)).transpose()?;
                self.push(Node::Loop {
                    body,
                    continuing,
                    break_if,
                    site,
                })
            }
            Statement::Break => self.push(Node::Break),
            Statement::Continue => self.push(Node::Continue),
            Statement::Return { value } => {
                if let Some(value) = value {
                    let rows = self.rows(value)?;
                    for (dst, src) in self.results.clone().into_iter().zip(rows) {
                        self.emit(Op::Set { dst, src })?;
                    }
                }
                self.push(Node::Return)
            }
            Statement::ControlBarrier(barrier) => {
                let site = self.lower.site(span);
                self.push(Node::Barrier {
                    storage: barrier.contains(naga::Barrier::STORAGE),
                    workgroup: barrier.contains(naga::Barrier::WORK_GROUP),
                    subgroup: barrier.contains(naga::Barrier::SUB_GROUP),
                    site,
                })
            }
            // Orders nothing between invocations by itself.
            Statement::MemoryBarrier(_) => Ok(()),
            Statement::Store { pointer, value } => {
                let rows = self.rows(value)?;
                let pointer = self.pointer(pointer)?;
                self.store(pointer, &rows, span)
            }
            Statement::Atomic {
                pointer,
                fun,
                value,
                result,
            } => self.atomic(pointer, fun, value, result, span),
            Statement::WorkGroupUniformLoad { pointer, result } => {
                let site = self.lower.site(span);
                let barrier = || Node::Barrier {
                    storage: false,
                    workgroup: true,
                    subgroup: false,
                    site,
                };
                let pointer = self.pointer(pointer)?;
                self.push(barrier())?;
                let rows = self.load(pointer, span)?;
                self.set(result, rows);
                self.push(barrier())
            }
            Statement::Call {
                function,
                ref arguments,
                result,
            } => self.call(function, arguments, result),
            Statement::SubgroupBallot { result, predicate } => self.ballot(result, predicate, span),
            Statement::SubgroupGather {
                mode,
                argument,
                result,
            } => self.gather(mode, argument, result, span),
            Statement::SubgroupCollectiveOperation {
                op,
                collective_op,
                argument,
                result,
            } => self.reduce(op, collective_op, argument, result, span),
            Statement::CooperativeStore { target, ref data } => {
                self.store_matrix(target, data, span)
            }
            Statement::Kill
            | Statement::ImageStore { .. }
            | Statement::ImageAtomic { .. }
            | Statement::RayQuery { .. }
            | Statement::RayPipelineFunction(_) => unsupported("a statement of this form"),
        }
    }

    fn switch(
        &mut self,
        selector: Handle<Expression>,
        cases: &'a [naga::SwitchCase],
    ) -> Result<(), String> {
        let selector = self.scalar(selector)?;
        let mut lowered = Vec::new();
        let (mut values, mut is_default) = (Vec::new(), false);
        for case in cases {
            match case.value {
                SwitchValue::I32(value) => values.push(value as u32),
                SwitchValue::U32(value) => values.push(value),
                SwitchValue::Default => is_default = true,
            }
            // Several values of one case come as empty cases that fall through.
            if case.fall_through {
                match case.body.is_empty() {
                    true => continue,
                    false => return unsupported("a case that falls through"),
                }
            }
            let body = self.block(&case.body)?;
            lowered.push(Case {
                values: core::mem::take(&mut values).into(),
                is_default: core::mem::take(&mut is_default),
                body,
            });
        }
        self.push(Node::Switch {
            selector,
            cases: lowered.into(),
        })
    }
}
