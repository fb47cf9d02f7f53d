//! Weights as the GPU's kernels read them.
//!
//! The blocks of most file formats are no multiple of 16 bytes, so nothing in them can be loaded 16 bytes at a time. Here
//! the integers of all blocks come first and what belongs to them, scales and offsets, in a second plane behind them.
//! Within a row, the words of Q8_0, Q4_0 and Q4_1 share the elements of up to four blocks in turns (`share`), so that
//! threads with neighbouring words read neighbouring activations. Rows of floats are padded with zeros to whole units.

use std::ops::Range;

use dacapo::BufferView;
use smallvec::SmallVec;

use crate::dtype::DType;
use crate::quant::WeightMatrix;

/// What a plane starts at a multiple of: more than any device asks of a binding.
const PLANE_ALIGN: u64 = 256;

/// Rows of a dispatch's part of a matrix: a multiple of this many starts at a multiple of [`PLANE_ALIGN`] in every plane.
pub(super) const PART_ROWS: u64 = 256;

/// Where the parts of a matrix lie in its buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    dtype: DType,
    rows: u64,
    /// Blocks of a row; for floats, units of 16 bytes.
    blocks: u64,
}

impl Layout {
    pub(super) fn new(dtype: DType, rows: usize, cols: usize) -> Layout {
        let block = match dtype.is_quantized() {
            true => dtype.block_len(),
            false => unit(dtype) as usize,
        };
        Layout {
            dtype,
            rows: rows as u64,
            blocks: cols.div_ceil(block) as u64,
        }
    }

    /// Bytes of a block in the first plane and in the second.
    fn block_bytes(&self) -> (u64, u64) {
        match self.dtype {
            DType::F32 | DType::F16 | DType::BF16 | DType::U32 => (16, 0),
            DType::Q8_0 => (32, 2),
            DType::Q4_0 => (16, 2),
            DType::Q4_1 => (16, 4),
            DType::Q4K => (144, 0),
            DType::Q6K => (192, 20),
        }
    }

    /// Units of a row, as the kernels count them.
    pub(super) fn units(&self) -> u32 {
        let per_block = match self.dtype.is_quantized() {
            true => self.dtype.block_len() as u64 / u64::from(unit(self.dtype)),
            false => 1,
        };
        (self.blocks * per_block) as u32
    }

    /// Bytes of the first plane of `rows` rows.
    pub(super) fn first(&self, rows: Range<u64>) -> Range<u64> {
        let row = self.blocks * self.block_bytes().0;
        rows.start * row..rows.end * row
    }

    /// Bytes of the second plane of `rows` rows, in whole words; empty where there is none.
    pub(super) fn second(&self, rows: Range<u64>) -> Range<u64> {
        let row = self.blocks * self.block_bytes().1;
        let plane = self.first(0..self.rows).end.next_multiple_of(PLANE_ALIGN);
        plane + rows.start * row..plane + (rows.end * row).next_multiple_of(4)
    }

    /// The planes of `rows` rows of the matrix that lies in `view`.
    pub(super) fn planes(
        &self,
        view: &BufferView,
        rows: Range<u64>,
    ) -> crate::Result<SmallVec<[BufferView; 2]>> {
        let mut planes = SmallVec::new();
        planes.push(view.slice(self.first(rows.clone()))?);
        if self.has_second() {
            planes.push(view.slice(self.second(rows))?);
        }
        Ok(planes)
    }

    pub(super) fn has_second(&self) -> bool {
        self.block_bytes().1 > 0
    }

    /// Bytes of the whole matrix.
    pub(super) fn len(&self) -> u64 {
        match self.has_second() {
            true => self.second(0..self.rows).end,
            false => self.first(0..self.rows).end,
        }
    }

    /// Rows of which neither plane is longer than `limit` bytes.
    pub(super) fn rows_within(&self, limit: u64) -> u64 {
        let longest = self.first(0..1).end.max(self.blocks * self.block_bytes().1);
        match self.first(0..self.rows).end <= limit {
            true => self.rows,
            false => (limit / longest / PART_ROWS * PART_ROWS).max(PART_ROWS),
        }
    }

    /// Puts `rows` of `matrix` into their planes.
    pub(super) fn pack(
        &self,
        matrix: &WeightMatrix<'_>,
        rows: Range<usize>,
        first: &mut [u8],
        second: &mut [u8],
    ) -> crate::Result<()> {
        let bytes = matrix.row_range(rows.clone())?;
        if !self.dtype.is_quantized() {
            let (from, to) = (bytes.len() / rows.len(), first.len() / rows.len());
            for (source, target) in bytes.chunks_exact(from).zip(first.chunks_exact_mut(to)) {
                let (values, padding) = target.split_at_mut(from);
                values.copy_from_slice(source);
                padding.fill(0);
            }
            return Ok(());
        }
        let blocks = bytes.chunks_exact(self.dtype.block_bytes());
        let (a, b) = self.block_bytes();
        match self.dtype {
            DType::Q4K => first.copy_from_slice(bytes),
            DType::Q6K => {
                let planes = first.chunks_exact_mut(192).zip(second.chunks_exact_mut(20));
                for (block, (first, second)) in blocks.zip(planes) {
                    first.copy_from_slice(&block[..192]);
                    second[..18].copy_from_slice(&block[192..]);
                }
            }
            _ => {
                let head = b as usize;
                let planes = first
                    .chunks_exact_mut(a as usize)
                    .zip(second.chunks_exact_mut(head));
                for (block, (first, second)) in blocks.zip(planes) {
                    second.copy_from_slice(&block[..head]);
                    first.copy_from_slice(&block[head..]);
                }
                let row = self.blocks as usize * a as usize;
                first.chunks_exact_mut(row).for_each(|row| self.share(row));
            }
        }
        Ok(())
    }
}

impl Layout {
    /// Deals out the chunks of four elements of each group of blocks to its words in turns: word `l` of `g` gets the
    /// chunks `l`, `l + g`, `l + 2 g`, ... Nibbles of even turns are low, those of odd ones high.
    fn share(&self, row: &mut [u8]) {
        let block = self.block_bytes().0 as usize;
        let mut rest = row;
        while !rest.is_empty() {
            // Groups of four blocks, then of two and of one.
            let count = match rest.len() / block {
                4.. => 4,
                2 | 3 => 2,
                _ => 1,
            };
            let (group, behind) = rest.split_at_mut(count * block);
            let mut values = [0u8; 128];
            if self.dtype == DType::Q8_0 {
                values[..group.len()].copy_from_slice(group);
            } else {
                for (block, values) in group.chunks_exact(16).zip(values.chunks_exact_mut(32)) {
                    for (i, q) in block.iter().enumerate() {
                        (values[i], values[16 + i]) = (q & 15, q >> 4);
                    }
                }
            }
            let words = group.len() / 16;
            let chunk = |word: usize, turn: usize| &values[4 * (word + words * turn)..][..4];
            for (l, word) in group.chunks_exact_mut(16).enumerate() {
                for (part, bytes) in word.chunks_exact_mut(4).enumerate() {
                    if self.dtype == DType::Q8_0 {
                        bytes.copy_from_slice(chunk(l, part));
                        continue;
                    }
                    let (low, high) = (chunk(l, 2 * part), chunk(l, 2 * part + 1));
                    for (byte, (low, high)) in bytes.iter_mut().zip(low.iter().zip(high)) {
                        *byte = low | high << 4;
                    }
                }
            }
            rest = behind;
        }
    }
}

/// Elements that a lane takes at a time: `UNIT` of the kernels.
pub(super) fn unit(dtype: DType) -> u32 {
    match dtype {
        DType::F32 | DType::U32 => 4,
        DType::F16 | DType::BF16 => 8,
        DType::Q8_0 => 16,
        DType::Q4_0 | DType::Q4_1 | DType::Q4K => 32,
        DType::Q6K => 64,
    }
}

/// Registers of a lane that has loaded a unit.
pub(super) fn registers(dtype: DType) -> u32 {
    match dtype {
        DType::F32 | DType::U32 | DType::F16 | DType::BF16 => 4,
        DType::Q4_1 => 8,
        DType::Q4K => 9,
        DType::Q8_0 | DType::Q4_0 => 10,
        DType::Q6K => 16,
    }
}
