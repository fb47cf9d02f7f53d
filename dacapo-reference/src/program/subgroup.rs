//! Subgroup operations and cooperative matrices.

use naga::{
    CollectiveOperation, CooperativeData, Direction, Expression, GatherMode, Handle, Span,
    SubgroupOperation, TypeInner,
};

use super::body::Body;
use super::op::{Matrix, Op, Row};
use super::operator::Kind;
use super::shape::{element, unsupported};
use crate::lanes::Binary;
use crate::lanes::collective::{Gather, Reduction, Scan};
use crate::lanes::matrix;
use crate::report::Access;

impl Body<'_, '_> {
    pub(super) fn ballot(
        &mut self,
        result: Handle<Expression>,
        predicate: Option<Handle<Expression>>,
        span: Span,
    ) -> Result<(), String> {
        let predicate = match predicate {
            Some(predicate) => self.scalar(predicate)?,
            None => self.lower.bits(1)?,
        };
        let dst = self.lower.new_rows(4)?;
        let site = self.lower.site(span);
        self.emit(Op::Ballot {
            dst,
            predicate,
            site,
        })?;
        self.set(result, (dst..dst + 4).collect());
        Ok(())
    }

    pub(super) fn gather(
        &mut self,
        mode: GatherMode,
        argument: Handle<Expression>,
        result: Handle<Expression>,
        span: Span,
    ) -> Result<(), String> {
        let (kind, index) = match mode {
            GatherMode::BroadcastFirst => (Gather::BroadcastFirst, None),
            GatherMode::Broadcast(index) => (Gather::Broadcast, Some(index)),
            GatherMode::Shuffle(index) => (Gather::Shuffle, Some(index)),
            GatherMode::ShuffleDown(index) => (Gather::ShuffleDown, Some(index)),
            GatherMode::ShuffleUp(index) => (Gather::ShuffleUp, Some(index)),
            GatherMode::ShuffleXor(index) => (Gather::ShuffleXor, Some(index)),
            GatherMode::QuadBroadcast(index) => (Gather::QuadBroadcast, Some(index)),
            GatherMode::QuadSwap(Direction::X) => (Gather::QuadSwapX, None),
            GatherMode::QuadSwap(Direction::Y) => (Gather::QuadSwapY, None),
            GatherMode::QuadSwap(Direction::Diagonal) => (Gather::QuadSwapDiagonal, None),
        };
        let index = index.map(|handle| self.scalar(handle)).transpose()?;
        let site = self.lower.site(span);
        let mut rows = Vec::new();
        for a in self.rows(argument)? {
            let dst = self.row()?;
            self.emit(Op::Gather {
                kind,
                dst,
                a,
                index,
                site,
            })?;
            rows.push(dst);
        }
        self.set(result, rows);
        Ok(())
    }

    pub(super) fn reduce(
        &mut self,
        op: SubgroupOperation,
        collective: CollectiveOperation,
        argument: Handle<Expression>,
        result: Handle<Expression>,
        span: Span,
    ) -> Result<(), String> {
        use SubgroupOperation as S;
        let kind = self.kind_of(argument)?;
        let signed = kind == Kind::Signed;
        let op = match op {
            S::All => Reduction::All,
            S::Any => Reduction::Any,
            S::Add if kind == Kind::Half => Reduction::AddF16,
            S::Add if kind == Kind::Float => Reduction::AddF,
            S::Add => Reduction::AddI,
            S::Mul if kind == Kind::Half => Reduction::MulF16,
            S::Mul if kind == Kind::Float => Reduction::MulF,
            S::Mul => Reduction::MulI,
            S::Min if kind.is_float() => Reduction::MinF,
            S::Min if signed => Reduction::MinI,
            S::Min => Reduction::MinU,
            S::Max if kind.is_float() => Reduction::MaxF,
            S::Max if signed => Reduction::MaxI,
            S::Max => Reduction::MaxU,
            S::And => Reduction::And,
            S::Or => Reduction::Or,
            S::Xor => Reduction::Xor,
        };
        let scan = match collective {
            CollectiveOperation::Reduce => Scan::Reduce,
            CollectiveOperation::InclusiveScan => Scan::Inclusive,
            CollectiveOperation::ExclusiveScan => Scan::Exclusive,
        };
        let site = self.lower.site(span);
        let mut rows = Vec::new();
        for a in self.rows(argument)? {
            let dst = self.row()?;
            self.emit(Op::Reduce {
                op,
                scan,
                dst,
                a,
                site,
            })?;
            rows.push(dst);
        }
        self.set(result, rows);
        Ok(())
    }

    /// Rows that a square matrix takes, spread over a subgroup.
    pub(super) fn matrix_rows(&self, size: u32) -> u32 {
        matrix::parts(size as usize, self.lower.subgroup_size as usize) as u32
    }

    fn matrix_of(&self, handle: Handle<Expression>, row_major: bool) -> Result<Matrix, String> {
        match *self.inner(handle) {
            TypeInner::CooperativeMatrix {
                columns,
                rows,
                scalar,
                ..
            } if columns == rows => Ok(Matrix {
                size: columns as u32,
                element: element(scalar)?,
                row_major,
            }),
            _ => unsupported("a cooperative matrix that is not square"),
        }
    }

    /// Elements of a matrix between its lines: a stride counts what the pointer points at, which may be a vector.
    fn stride(&mut self, data: &CooperativeData, matrix: Matrix) -> Result<Row, String> {
        let stride = self.scalar(data.stride)?;
        let pointee = match *self.inner(data.pointer) {
            TypeInner::Pointer { base, .. } => match self.lower.module.types[base].inner {
                TypeInner::Vector { size, scalar } => Some((size, scalar)),
                _ => None,
            },
            TypeInner::ValuePointer { size, scalar, .. } => size.map(|size| (size, scalar)),
            _ => None,
        };
        let Some((size, scalar)) = pointee else {
            return Ok(stride);
        };
        let bytes = size as u32 * u32::from(scalar.width);
        let elements = self.lower.bits(bytes / matrix.element.bytes())?;
        self.binary_op(Binary::MulI, stride, elements)
    }

    pub(super) fn load_matrix(
        &mut self,
        handle: Handle<Expression>,
        data: &CooperativeData,
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let matrix = self.matrix_of(handle, data.row_major)?;
        let stride = self.stride(data, matrix)?;
        let pointer = self.pointer(data.pointer)?;
        let count = self.matrix_rows(matrix.size);
        let dst = self.lower.new_rows(count)?;
        let touch = self.lower.touch(span, Access::Read);
        let site = self.lower.site(span);
        self.emit(Op::LoadMatrix {
            root: self.root(&pointer)?,
            address: pointer.address(0)?,
            matrix,
            dst,
            stride,
            touch,
            site,
        })?;
        Ok((dst..dst + count).collect())
    }

    pub(super) fn store_matrix(
        &mut self,
        target: Handle<Expression>,
        data: &CooperativeData,
        span: Span,
    ) -> Result<(), String> {
        let matrix = self.matrix_of(target, data.row_major)?;
        let rows = self.rows(target)?;
        let stride = self.stride(data, matrix)?;
        let pointer = self.pointer(data.pointer)?;
        let src = self.list(&rows);
        let touch = self.lower.touch(span, Access::Write);
        let site = self.lower.site(span);
        self.emit(Op::StoreMatrix {
            root: self.root(&pointer)?,
            address: pointer.address(0)?,
            matrix,
            src,
            stride,
            touch,
            site,
        })
    }

    pub(super) fn multiply_add(
        &mut self,
        handle: Handle<Expression>,
        operands: [Handle<Expression>; 3],
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let matrix = self.matrix_of(handle, true)?;
        let mut lists = Vec::new();
        for operand in operands {
            let rows = self.rows(operand)?;
            lists.push(self.list(&rows));
        }
        let count = self.matrix_rows(matrix.size);
        let dst = self.lower.new_rows(count)?;
        let site = self.lower.site(span);
        self.emit(Op::MultiplyAdd {
            matrix,
            dst,
            a: lists[0],
            b: lists[1],
            c: lists[2],
            site,
        })?;
        Ok((dst..dst + count).collect())
    }
}
