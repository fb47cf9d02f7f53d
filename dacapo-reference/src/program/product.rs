//! Built-in functions that join components: products of vectors and matrices, lengths.

use naga::{Expression, Handle, MathFunction as F, Span, VectorSize};

use super::body::Body;
use super::op::Row;
use super::operator::Kind;
use super::shape::unsupported;
use crate::lanes::{Binary, Ternary, Unary};

impl Body<'_, '_> {
    /// The product of two numbers of this kind.
    fn times(&mut self, kind: Kind, a: Row, b: Row, span: Span) -> Result<Row, String> {
        match kind.is_float() {
            true => self.float(Binary::MulF, kind, a, b, span),
            false => self.binary_op(Binary::MulI, a, b),
        }
    }

    fn plus(&mut self, kind: Kind, a: Row, b: Row, span: Span) -> Result<Row, String> {
        match kind.is_float() {
            true => self.float(Binary::AddF, kind, a, b, span),
            false => self.binary_op(Binary::AddI, a, b),
        }
    }

    fn minus(&mut self, kind: Kind, a: Row, b: Row, span: Span) -> Result<Row, String> {
        self.float(Binary::SubF, kind, a, b, span)
    }

    /// Products added up in order.
    fn dot(&mut self, kind: Kind, a: &[Row], b: &[Row], span: Span) -> Result<Row, String> {
        let mut sum = None;
        for (a, b) in a.iter().zip(b) {
            let product = self.times(kind, *a, *b, span)?;
            sum = Some(match sum {
                None => product,
                Some(sum) => self.plus(kind, sum, product, span)?,
            });
        }
        match sum {
            Some(sum) => Ok(sum),
            None => unsupported("a vector of no components"),
        }
    }

    fn length(&mut self, kind: Kind, a: &[Row], span: Span) -> Result<Row, String> {
        if let [one] = *a {
            return self.unary(Unary::AbsF, one);
        }
        let square = self.dot(kind, a, a, span)?;
        let root = self.unary(Unary::Sqrt, square)?;
        self.rounded(kind, root, &[square], span)
    }

    fn scaled(&mut self, kind: Kind, a: &[Row], by: Row, span: Span) -> Result<Vec<Row>, String> {
        a.iter().map(|a| self.times(kind, *a, by, span)).collect()
    }

    pub(super) fn product(
        &mut self,
        fun: F,
        arguments: [Option<Handle<Expression>>; 4],
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let Some(first) = arguments[0] else {
            return unsupported("a function without arguments");
        };
        let kind = self.kind_of(first)?;
        let shape = self.matrix_shape(first);
        let mut operands = Vec::new();
        for argument in arguments.into_iter().flatten() {
            operands.push(self.rows(argument)?);
        }
        match (fun, &operands[..], shape) {
            (F::Dot, [a, b], _) => Ok(vec![self.dot(kind, a, b, span)?]),
            (F::Length, [a], _) => Ok(vec![self.length(kind, a, span)?]),
            (F::Distance, [a, b], _) => {
                let apart = self.between(kind, a, b, span)?;
                Ok(vec![self.length(kind, &apart, span)?])
            }
            (F::Normalize, [a], _) => {
                let length = self.length(kind, a, span)?;
                a.iter()
                    .map(|a| self.float(Binary::DivF, kind, *a, length, span))
                    .collect()
            }
            (F::Cross, [a, b], _) => {
                let mut rows = Vec::new();
                for (i, j) in [(1, 2), (2, 0), (0, 1)] {
                    let left = self.times(kind, a[i], b[j], span)?;
                    let right = self.times(kind, a[j], b[i], span)?;
                    rows.push(self.minus(kind, left, right, span)?);
                }
                Ok(rows)
            }
            (F::Outer, [a, b], _) => {
                let mut rows = Vec::new();
                for b in b {
                    rows.extend(self.scaled(kind, a, *b, span)?);
                }
                Ok(rows)
            }
            (F::FaceForward, [normal, incident, reference], _) => {
                let dot = self.dot(kind, reference, incident, span)?;
                let zero = self.lower.bits(0)?;
                let faces = self.binary_op(Binary::LtF, dot, zero)?;
                let mut rows = Vec::new();
                for row in normal {
                    let other = self.unary(Unary::NegF, *row)?;
                    rows.push(self.ternary(Ternary::Select, other, *row, faces)?);
                }
                Ok(rows)
            }
            (F::Reflect, [incident, normal], _) => {
                let dot = self.dot(kind, normal, incident, span)?;
                let twice = self.plus(kind, dot, dot, span)?;
                let along = self.scaled(kind, normal, twice, span)?;
                self.between(kind, incident, &along, span)
            }
            (F::Refract, [incident, normal, ratio], _) => {
                self.refract(kind, incident, normal, ratio[0], span)
            }
            (F::Transpose, [a], Some((columns, rows))) => {
                let (columns, rows) = (columns as usize, rows as usize);
                let cells = (0..rows * columns).map(|at| (at % columns, at / columns));
                Ok(cells.map(|(column, row)| a[column * rows + row]).collect())
            }
            (F::Determinant, [a], Some((size, _))) => {
                let all: Vec<usize> = (0..size as usize).collect();
                let size = size as usize;
                Ok(vec![self.determinant(kind, a, size, &all, 0, span)?])
            }
            _ => unsupported(&format!("the function {fun:?}")),
        }
    }

    fn between(
        &mut self,
        kind: Kind,
        a: &[Row],
        b: &[Row],
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| self.minus(kind, *a, *b, span)).collect()
    }

    fn refract(
        &mut self,
        kind: Kind,
        incident: &[Row],
        normal: &[Row],
        ratio: Row,
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let one = self.lower.bits(1f32.to_bits())?;
        let zero = self.lower.bits(0)?;
        let dot = self.dot(kind, normal, incident, span)?;
        let square = self.times(kind, dot, dot, span)?;
        let rest = self.minus(kind, one, square, span)?;
        let ratios = self.times(kind, ratio, ratio, span)?;
        let part = self.times(kind, ratios, rest, span)?;
        let k = self.minus(kind, one, part, span)?;
        let is_none = self.binary_op(Binary::LtF, k, zero)?;
        let inside = self.binary_op(Binary::MaxF, k, zero)?;
        let root = self.unary(Unary::Sqrt, inside)?;
        let root = self.rounded(kind, root, &[inside], span)?;
        let along = self.times(kind, ratio, dot, span)?;
        let along = self.plus(kind, along, root, span)?;
        let bent = self.scaled(kind, incident, ratio, span)?;
        let along = self.scaled(kind, normal, along, span)?;
        let mut rows = Vec::new();
        for row in self.between(kind, &bent, &along, span)? {
            rows.push(self.ternary(Ternary::Select, row, zero, is_none)?);
        }
        Ok(rows)
    }

    /// By the first of these rows: the rows and columns that are left.
    fn determinant(
        &mut self,
        kind: Kind,
        a: &[Row],
        size: usize,
        columns: &[usize],
        row: usize,
        span: Span,
    ) -> Result<Row, String> {
        if let [column] = *columns {
            return Ok(a[column * size + row]);
        }
        let mut sum = None;
        for (at, column) in columns.iter().enumerate() {
            let rest: Vec<usize> = columns.iter().copied().filter(|c| c != column).collect();
            let minor = self.determinant(kind, a, size, &rest, row + 1, span)?;
            let term = self.times(kind, a[column * size + row], minor, span)?;
            sum = Some(match sum {
                None => term,
                Some(sum) if at % 2 == 0 => self.plus(kind, sum, term, span)?,
                Some(sum) => self.minus(kind, sum, term, span)?,
            });
        }
        match sum {
            Some(sum) => Ok(sum),
            None => unsupported("a matrix without columns"),
        }
    }

    /// Of two matrices, or of a matrix and a vector or a number. Matrices lie column by column.
    pub(super) fn matrix_product(
        &mut self,
        left: Handle<Expression>,
        right: Handle<Expression>,
        span: Span,
    ) -> Result<Vec<Row>, String> {
        let kind = self.kind_of(left)?;
        let (a, b) = (self.rows(left)?, self.rows(right)?);
        let row_of = |a: &[Row], shape: (VectorSize, VectorSize), row: usize| -> Vec<Row> {
            let (columns, rows) = (shape.0 as usize, shape.1 as usize);
            (0..columns).map(|column| a[column * rows + row]).collect()
        };
        let mut out = Vec::new();
        match (self.matrix_shape(left), self.matrix_shape(right)) {
            (Some(shape), Some((columns, inner))) => {
                let (columns, inner) = (columns as usize, inner as usize);
                for column in 0..columns {
                    let own = &b[column * inner..(column + 1) * inner];
                    for row in 0..shape.1 as usize {
                        out.push(self.dot(kind, &row_of(&a, shape, row), own, span)?);
                    }
                }
            }
            (Some(_), None) if b.len() == 1 => return self.scaled(kind, &a, b[0], span),
            (None, Some(_)) if a.len() == 1 => return self.scaled(kind, &b, a[0], span),
            (Some(shape), None) => {
                for row in 0..shape.1 as usize {
                    out.push(self.dot(kind, &row_of(&a, shape, row), &b, span)?);
                }
            }
            (None, Some((columns, rows))) => {
                let rows = rows as usize;
                for column in 0..columns as usize {
                    let own = &b[column * rows..(column + 1) * rows];
                    out.push(self.dot(kind, &a, own, span)?);
                }
            }
            (None, None) => return unsupported("a product of matrices without one"),
        }
        Ok(out)
    }
}
