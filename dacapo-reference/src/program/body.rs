//! One function: its values and statements.

use naga::valid::FunctionInfo;
use naga::{Expression, Handle, Span, Type, TypeInner};

use super::Parts;
use super::lower::Lower;
use super::op::{Address, Block, List, Node, Op, Row};
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
    pub(super) results: Vec<Row>,
    pub(super) code: Vec<Node>,
    /// What is evaluated together, and the place of the statement that comes next.
    pub(super) emitted: Option<naga::Range<Expression>>,
    pub(super) next: Span,
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

    /// Evaluates an expression at this point of the code, where it may have been evaluated before.
    pub(super) fn renew(&mut self, handle: Handle<Expression>) -> Result<(), String> {
        let value = self.evaluate(handle)?;
        self.values[handle.index()] = Some(value);
        Ok(())
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
}
