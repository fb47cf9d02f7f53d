//! Validation of an operation's tensors and parameters, before anything is encoded.

use std::fmt::Write;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Checks of one operation, named in its errors.
#[derive(Clone, Copy)]
pub(crate) struct Check(pub(crate) &'static str);

impl Check {
    /// `tensor` is contiguous, has one of `dtypes` and exactly `shape`.
    pub(crate) fn tensor(
        self,
        name: &'static str,
        tensor: &Tensor,
        dtypes: &[DType],
        shape: &[usize],
    ) -> Result<()> {
        if fits(tensor, dtypes) && tensor.shape() == shape {
            return Ok(());
        }
        Err(self.operand(name, tensor, dtypes, &format!("{shape:?}")))
    }

    /// As [`Check::tensor`], of any shape of `N` dimensions, which it returns.
    pub(crate) fn dims<const N: usize>(
        self,
        name: &'static str,
        tensor: &Tensor,
        dtypes: &[DType],
    ) -> Result<[usize; N]> {
        match tensor.shape().try_into() {
            Ok(shape) if fits(tensor, dtypes) => Ok(shape),
            _ => Err(self.operand(name, tensor, dtypes, &format!("of {N} dimensions"))),
        }
    }

    /// `tensor` is a weight matrix that was laid out for products; its shape.
    pub(crate) fn packed(self, name: &'static str, tensor: &Tensor) -> Result<[usize; 2]> {
        match tensor.shape().try_into() {
            Ok(shape) if tensor.is_packed() => Ok(shape),
            _ => Err(Error::Operand {
                op: self.0,
                tensor: name,
                found: format!(
                    "{} {:?} as it lies in files",
                    tensor.dtype(),
                    tensor.shape()
                )
                .into(),
                wanted: "made by `Linear::weights` on this device".into(),
            }),
        }
    }

    /// As [`Check::tensor`], of any shape.
    pub(crate) fn any_shape(
        self,
        name: &'static str,
        tensor: &Tensor,
        dtypes: &[DType],
    ) -> Result<()> {
        if fits(tensor, dtypes) {
            return Ok(());
        }
        Err(self.operand(name, tensor, dtypes, "of any shape"))
    }

    /// `value` lies in `range`; NaN does not.
    pub(crate) fn parameter<T: PartialOrd + Copy + Into<f64>>(
        self,
        what: &'static str,
        value: T,
        range: impl std::ops::RangeBounds<T>,
        allowed: &'static str,
    ) -> Result<()> {
        if range.contains(&value) {
            return Ok(());
        }
        let found = value.into();
        Err(Error::Parameter {
            op: self.0,
            what,
            found,
            allowed,
        })
    }

    /// A size as the kernels count it.
    pub(crate) fn size(self, what: &'static str, size: usize) -> Result<u32> {
        u32::try_from(size).map_err(|_| Error::Parameter {
            op: self.0,
            what,
            found: size as f64,
            allowed: "below 2^32",
        })
    }

    #[cold]
    pub(crate) fn operand(
        self,
        name: &'static str,
        tensor: &Tensor,
        dtypes: &[DType],
        wanted: &str,
    ) -> Error {
        let gaps = match (tensor.is_contiguous(), tensor.is_packed()) {
            (true, false) => "",
            (_, true) => " laid out for products",
            (false, false) => " with gaps",
        };
        let found = format!("{} {:?}{gaps}", tensor.dtype(), tensor.shape());
        let mut types = String::new();
        for (i, dtype) in dtypes.iter().enumerate() {
            let separator = if i == 0 { "" } else { " or " };
            // Writing to a string cannot fail.
            let _ = write!(types, "{separator}{dtype}");
        }
        let gaps = if tensor.is_contiguous() {
            ""
        } else {
            ", without gaps"
        };
        let wanted = format!("{types} {wanted}{gaps}");
        Error::Operand {
            op: self.0,
            tensor: name,
            found: found.into(),
            wanted: wanted.into(),
        }
    }
}

fn fits(tensor: &Tensor, dtypes: &[DType]) -> bool {
    tensor.is_contiguous() && !tensor.is_packed() && dtypes.contains(&tensor.dtype())
}
