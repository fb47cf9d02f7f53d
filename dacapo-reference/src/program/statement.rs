//! Statements.

use naga::{Expression, Handle, Span, Statement, SwitchValue};

use super::body::Body;
use super::op::{Block, Case, Node, Op};
use super::shape::unsupported;

impl<'a> Body<'_, 'a> {
    fn block(&mut self, block: &'a naga::Block) -> Result<Block, String> {
        self.lower.deeper()?;
        let outer = core::mem::take(&mut self.code);
        self.statements(block)?;
        self.lower.depth -= 1;
        Ok(core::mem::replace(&mut self.code, outer).into())
    }

    pub(super) fn statements(&mut self, block: &'a naga::Block) -> Result<(), String> {
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
                    self.renew(handle)?;
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
