//! Typed, shaped views of device memory.

use core::fmt;

use dacapo::{Buffer, BufferOptions, BufferView, Device, MemoryKind};
use smallvec::SmallVec;

use crate::dtype::DType;

/// Most dimensions of a tensor.
pub const MAX_DIMS: usize = 4;

/// Sizes or strides of a tensor's dimensions, outermost first.
pub type Dims = SmallVec<[usize; MAX_DIMS]>;

/// A buffer view seen as an array of elements: the type, the size of each dimension (outermost first), and how
/// many elements apart neighbours along each dimension are.
///
/// The innermost dimension of a quantised tensor is a whole number of blocks, and its rows are contiguous.
#[derive(Clone)]
pub struct Tensor {
    view: BufferView,
    dtype: DType,
    shape: Dims,
    strides: Dims,
    /// Laid out as the products of one kind of device want it, instead of as in files.
    packed: bool,
}

/// Why a tensor cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The shape has no dimension, too many, or no elements, or its size overflows.
    #[error("shape {shape:?} of {dtype} is not possible: 1 to 4 dimensions, none 0, rows of whole blocks of {}", dtype.block_len())]
    Shape {
        /// The element type.
        dtype: DType,
        /// The shape asked for.
        shape: Vec<usize>,
    },
    /// View and shape differ in size.
    #[error("a {dtype} tensor of shape {shape:?} takes {wanted} bytes; the view has {found}")]
    Size {
        /// The element type.
        dtype: DType,
        /// The shape asked for.
        shape: Vec<usize>,
        /// Bytes of the shape.
        wanted: u64,
        /// Bytes of the view.
        found: u64,
    },
    /// The view does not start at a multiple of the element's alignment.
    #[error("a {dtype} tensor starts at a multiple of {} bytes, not at {offset}", dtype.alignment())]
    Alignment {
        /// The element type.
        dtype: DType,
        /// Offset of the view in its allocation, in bytes.
        offset: u64,
    },
    /// A part that does not lie inside the tensor, or cuts blocks.
    #[error(
        "elements {start}..{end} of dimension {dim} do not lie inside shape {shape:?} of {dtype}, or cut a block"
    )]
    Narrow {
        /// The element type.
        dtype: DType,
        /// The tensor's shape.
        shape: Vec<usize>,
        /// The dimension.
        dim: usize,
        /// First index asked for.
        start: usize,
        /// One past the last index asked for.
        end: usize,
    },
    /// A part or another shape of a matrix that was laid out for products.
    #[error(
        "the {dtype} matrix {shape:?} was laid out for products and has neither parts nor other shapes"
    )]
    Packed {
        /// The element type.
        dtype: DType,
        /// The matrix's shape.
        shape: Vec<usize>,
    },
    /// The memory was refused.
    #[error(transparent)]
    Memory(#[from] dacapo::Error),
}

impl Tensor {
    /// The whole of `view` as a contiguous tensor.
    ///
    /// # Errors
    /// [`TensorError::Shape`], [`TensorError::Size`] when the view is longer or shorter than the shape,
    /// [`TensorError::Alignment`].
    pub fn new(view: BufferView, dtype: DType, shape: &[usize]) -> Result<Tensor, TensorError> {
        let wanted = bytes(dtype, shape)?;
        if view.len() != wanted {
            return Err(TensorError::Size {
                dtype,
                shape: shape.to_vec(),
                wanted,
                found: view.len(),
            });
        }
        if !view.offset().is_multiple_of(dtype.alignment() as u64) {
            return Err(TensorError::Alignment {
                dtype,
                offset: view.offset(),
            });
        }
        let mut strides = Dims::from_elem(1, shape.len());
        for dim in (1..shape.len()).rev() {
            strides[dim - 1] = strides[dim] * shape[dim];
        }
        Ok(Tensor {
            view,
            dtype,
            shape: shape.into(),
            strides,
            packed: false,
        })
    }

    /// A weight matrix that a product laid out for itself, in the whole of `view`.
    pub(crate) fn packed(
        view: BufferView,
        dtype: DType,
        shape: &[usize; 2],
    ) -> Result<Tensor, TensorError> {
        bytes(dtype, shape)?;
        Ok(Tensor {
            view,
            dtype,
            shape: Dims::from_slice(shape),
            strides: Dims::from_slice(&[shape[1], 1]),
            packed: true,
        })
    }

    /// Whether it is a weight matrix that [`Linear::weights`](crate::linear::Linear::weights) laid out for a device:
    /// nothing but products on that device can read it.
    pub fn is_packed(&self) -> bool {
        self.packed
    }

    /// A tensor of zeros in a buffer of its own.
    ///
    /// # Errors
    /// [`TensorError::Shape`], and those of [`Device::buffer`].
    pub fn zeros(
        device: &Device,
        label: &str,
        dtype: DType,
        shape: &[usize],
    ) -> Result<Tensor, TensorError> {
        let len = bytes(dtype, shape)?;
        let options = BufferOptions {
            len,
            kind: MemoryKind::DeviceLocal,
            label,
        };
        let buffer: Buffer = device.buffer_with(&options)?;
        Tensor::new((*buffer).clone(), dtype, shape)
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Elements along each dimension, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements between neighbours along each dimension.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// The memory, from the first element to the last.
    pub fn view(&self) -> &BufferView {
        &self.view
    }

    /// Elements in all.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Elements along the innermost dimension.
    pub fn cols(&self) -> usize {
        self.shape[self.shape.len() - 1]
    }

    /// Elements along all dimensions but the innermost.
    pub fn rows(&self) -> usize {
        self.shape[..self.shape.len() - 1].iter().product()
    }

    /// Whether elements follow each other without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&size, &stride)| {
                let fits = size == 1 || stride == expected;
                expected *= size;
                fits
            })
    }

    /// The same memory under another shape.
    ///
    /// # Errors
    /// [`TensorError::Size`] when the shape has another size or the tensor has gaps, [`TensorError::Packed`].
    pub fn reshape(&self, shape: &[usize]) -> Result<Tensor, TensorError> {
        if self.packed {
            return Err(TensorError::Packed {
                shape: self.shape.to_vec(),
                dtype: self.dtype,
            });
        }
        Tensor::new(self.view.clone(), self.dtype, shape)
    }

    /// Indices `start..end` of dimension `dim`.
    ///
    /// # Errors
    /// [`TensorError::Narrow`] when they do not lie inside the tensor, are none, or cut a block,
    /// [`TensorError::Packed`].
    pub fn narrow(&self, dim: usize, start: usize, end: usize) -> Result<Tensor, TensorError> {
        if self.packed {
            return Err(TensorError::Packed {
                shape: self.shape.to_vec(),
                dtype: self.dtype,
            });
        }
        let refused = || TensorError::Narrow {
            dtype: self.dtype,
            shape: self.shape.to_vec(),
            dim,
            start,
            end,
        };
        let size = *self.shape.get(dim).ok_or_else(refused)?;
        if start >= end || end > size {
            return Err(refused());
        }
        let mut shape = self.shape.clone();
        shape[dim] = end - start;
        let first = self
            .dtype
            .row_bytes(start * self.strides[dim])
            .ok_or_else(refused)?;
        // Up to and including the last element.
        let inner = *shape.last().ok_or_else(refused)?;
        let outer: usize = shape
            .iter()
            .zip(&self.strides)
            .rev()
            .skip(1)
            .map(|(&size, &stride)| (size - 1) * stride)
            .sum();
        let len = self.dtype.row_bytes(outer + inner).ok_or_else(refused)?;
        let view = self.view.slice(first as u64..(first + len) as u64)?;
        Ok(Tensor {
            view,
            dtype: self.dtype,
            shape,
            strides: self.strides.clone(),
            packed: false,
        })
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} at {:?}", self.dtype, &self.shape[..], self.view)
    }
}

fn bytes(dtype: DType, shape: &[usize]) -> Result<u64, TensorError> {
    let refused = || TensorError::Shape {
        dtype,
        shape: shape.to_vec(),
    };
    let (cols, outer) = shape.split_last().ok_or_else(refused)?;
    if shape.len() > MAX_DIMS || shape.contains(&0) {
        return Err(refused());
    }
    let rows = outer
        .iter()
        .try_fold(1usize, |rows, &size| rows.checked_mul(size))
        .ok_or_else(refused)?;
    dtype
        .matrix_bytes(rows, *cols)
        .map(|bytes| bytes as u64)
        .ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dacapo::DeviceOptions;

    fn buffer(len: u64) -> Buffer {
        let device = Device::open(&DeviceOptions::default()).unwrap();
        device.buffer(len, MemoryKind::DeviceLocal).unwrap()
    }

    #[test]
    fn sizes_must_agree() {
        let view = (*buffer(240)).clone();
        let tensor = Tensor::new(view.clone(), DType::F32, &[3, 4, 5]).unwrap();
        assert_eq!(
            (tensor.rows(), tensor.cols(), tensor.elements()),
            (12, 5, 60)
        );
        assert_eq!(tensor.strides(), [20, 5, 1]);
        for shape in [
            &[3, 4, 4][..],
            &[61],
            &[],
            &[0, 60],
            &[1, 1, 1, 1, 60],
            &[usize::MAX, 2],
        ] {
            assert!(
                Tensor::new(view.clone(), DType::F32, shape).is_err(),
                "{shape:?}"
            );
        }
        assert!(
            Tensor::new(view.slice(2..42).unwrap(), DType::F32, &[10]).is_err(),
            "misaligned"
        );
        assert!(
            Tensor::new(view.slice(..40).unwrap(), DType::Q4_1, &[2, 33]).is_err(),
            "cut block"
        );
        assert!(Tensor::new(view.slice(..40).unwrap(), DType::Q4_1, &[2, 32]).is_ok());
    }

    #[test]
    fn narrow_is_a_view_of_the_right_elements() {
        let buffer = buffer(4 * 6 * 4);
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        buffer.write(&values).unwrap();
        let tensor = Tensor::new((*buffer).clone(), DType::F32, &[4, 6]).unwrap();
        let rows = tensor.narrow(0, 1, 3).unwrap();
        assert!(rows.is_contiguous());
        assert_eq!(rows.view().read::<f32>().unwrap(), values[6..18]);
        let cols = tensor.narrow(1, 2, 5).unwrap();
        assert!(!cols.is_contiguous());
        assert_eq!((cols.shape(), cols.strides()), (&[4, 3][..], &[6, 1][..]));
        assert_eq!(cols.view().read::<f32>().unwrap(), values[2..23]);
        assert!(cols.reshape(&[12]).is_err(), "gaps");
        for (dim, start, end) in [(0, 2, 2), (0, 0, 5), (2, 0, 1), (1, 5, 4)] {
            assert!(
                tensor.narrow(dim, start, end).is_err(),
                "{dim} {start} {end}"
            );
        }
    }
}
