//! Calls: a function is lowered once for each set of pointers that it is called with.

use naga::{Expression, Handle};

use super::body::{Body, Place, Pointer, Value};
use super::op::{Function, Node, Op, Row};

/// A function, and where the pointers among its arguments point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    function: Handle<naga::Function>,
    pointers: Vec<Option<Target>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Target {
    place: Place,
    offset: u32,
    /// Whether a part of it is only known at run time.
    moves: bool,
}

/// A function that has been lowered: its number, and the rows that a call fills and reads.
#[derive(Clone, Debug)]
pub(super) struct Lowered {
    number: u32,
    arguments: Vec<Vec<Row>>,
    results: Vec<Row>,
}

impl Body<'_, '_> {
    pub(super) fn call(
        &mut self,
        handle: Handle<naga::Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
    ) -> Result<(), String> {
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.value(*argument)?);
        }
        let target = |value: &Value| match value {
            Value::Rows(_) => None,
            Value::Pointer(pointer) => Some(Target {
                place: pointer.place,
                offset: pointer.offset,
                moves: pointer.at.is_some(),
            }),
        };
        let key = Key {
            function: handle,
            pointers: values.iter().map(target).collect(),
        };
        let lowered = match self.lower.specialised.get(&key) {
            Some(known) => known.clone(),
            None => {
                let lowered = self.specialise(handle, &values)?;
                self.lower.specialised.insert(key, lowered.clone());
                lowered
            }
        };
        for (value, targets) in values.iter().zip(&lowered.arguments) {
            let sources = match value {
                Value::Rows(rows) => rows.clone(),
                Value::Pointer(pointer) => pointer.at.into_iter().collect(),
            };
            for (dst, src) in targets.iter().zip(sources) {
                self.emit(Op::Copy { dst: *dst, src })?;
            }
        }
        self.push(Node::Call(lowered.number))?;
        if let Some(result) = result {
            let mut rows = Vec::new();
            // The next call has other results.
            for src in lowered.results {
                let dst = self.row()?;
                self.emit(Op::Copy { dst, src })?;
                rows.push(dst);
            }
            self.set(result, rows);
        }
        Ok(())
    }

    fn specialise(
        &mut self,
        handle: Handle<naga::Function>,
        values: &[Value],
    ) -> Result<Lowered, String> {
        let (module, info) = (self.lower.module, self.lower.info);
        let function = &module.functions[handle];
        let mut inner = Vec::new();
        let mut rows = Vec::new();
        for value in values {
            let count = match value {
                Value::Rows(rows) => rows.len(),
                Value::Pointer(pointer) => usize::from(pointer.at.is_some()),
            };
            let first = self.lower.new_rows(count as u32)?;
            let own: Vec<Row> = (first..first + count as u32).collect();
            inner.push(match value {
                Value::Rows(_) => Value::Rows(own.clone()),
                Value::Pointer(pointer) => Value::Pointer(Pointer {
                    at: own.first().copied(),
                    ..*pointer
                }),
            });
            rows.push(own);
        }
        let count = match &function.result {
            None => 0,
            Some(result) => self.rows_of(result.ty)?,
        };
        let first = self.lower.new_rows(count)?;
        let results: Vec<Row> = (first..first + count).collect();
        self.lower.deeper()?;
        let body = Body::new(
            self.lower,
            function,
            &info[handle],
            inner,
            results.clone(),
            Vec::new(),
        )?;
        let body = body.lower()?;
        self.lower.depth -= 1;
        self.lower.functions.push(Function { body });
        Ok(Lowered {
            number: self.lower.functions.len() as u32 - 1,
            arguments: rows,
            results,
        })
    }
}
