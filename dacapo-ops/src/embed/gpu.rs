//! On the GPU: a kernel for each type of table, a thread for each column.
#![allow(unsafe_code, reason = "compiled without bounds checks")]

use bytemuck::{Pod, Zeroable};
use dacapo::{Access, Bytes, CommandEncoder, Device, Dispatched, Grid, KernelSource, Wgsl, Work};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::launch::MAX_GROUPS;
use crate::lazy::LazyKernel;
use crate::tensor::Tensor;
use crate::work::{elements, product, read, written};

/// Threads of a workgroup, as `embed.wgsl` has them.
const THREADS: usize = 256;

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Params {
    first_row: u32,
    rows: u32,
    cols: u32,
    row_bytes: u32,
    vocabulary: u32,
}

#[derive(Debug)]
pub(super) struct Gather {
    /// By number of the type: kernels for a table that is bound whole, and for one in parts.
    kernels: [[LazyKernel; 2]; DType::WEIGHTS.len()],
    /// Most bytes of a table that are bound at once.
    pub(super) largest: u64,
    /// What parts must start at a multiple of.
    align: u64,
}

impl Gather {
    pub(super) fn new(device: &Device) -> Gather {
        let limits = device.limits();
        Gather {
            kernels: DType::WEIGHTS.map(|dtype| {
                // Part by part, rows that other dispatches have written stay.
                [Access::Write, Access::ReadWrite]
                    .map(|out| LazyKernel::new(device, source(dtype, out)))
            }),
            largest: limits.max_binding_bytes,
            align: u64::from(limits.min_binding_alignment),
        }
    }

    /// One dispatch for each part of the table that can be bound at once.
    pub(super) fn encode(
        &self,
        check: Check,
        encoder: &mut CommandEncoder,
        table: &Tensor,
        ids: &Tensor,
        out: &Tensor,
    ) -> Result<()> {
        let (rows, cols) = (table.rows(), table.cols());
        let row_bytes = table.view().len() / rows as u64;
        let in_parts = table.view().len() > self.largest;
        let part = if in_parts {
            self.rows_at_once(row_bytes) as usize
        } else {
            rows
        };
        if part == 0 {
            let wanted = format!(
                "[.., fewer columns: rows of {row_bytes} bytes do not fit {}]",
                self.largest
            );
            return Err(check.operand("table", table, &DType::WEIGHTS, &wanted));
        }
        let kernel = self.kernels[table.dtype() as usize][usize::from(in_parts)].get()?;
        let groups = [cols.div_ceil(THREADS), ids.elements()];
        let [x, y] = groups.map(|groups| groups.min(MAX_GROUPS) as u32);
        for first in (0..rows).step_by(part) {
            let end = rows.min(first + part);
            let bytes = first as u64 * row_bytes..end as u64 * row_bytes;
            let params = Params {
                first_row: check.size("rows of table", first)?,
                rows: check.size("rows of table", end - first)?,
                cols: check.size("columns of table", cols)?,
                row_bytes: check.size("bytes of a row of table", row_bytes as usize)?,
                vocabulary: check.size("rows of table", rows)?,
            };
            let view = table.view().slice(bytes)?;
            let args = (&view, ids.view(), out.view(), Bytes(&params));
            encoder.dispatch(kernel, args, Grid::groups([x, y, 1]))?;
        }
        Ok(())
    }

    /// As many rows as can be bound, so that the next part starts where one may.
    fn rows_at_once(&self, row_bytes: u64) -> u64 {
        // Rows after which offsets are aligned again: the alignment is a power of two.
        let step = self.align >> row_bytes.trailing_zeros().min(self.align.trailing_zeros());
        self.largest / row_bytes / step * step
    }
}

/// A row of the table for each id, but none twice. Where the ids of a part are only the device knows: its share of them
/// is taken to be its share of the table.
fn work(call: &Dispatched<'_>) -> Work {
    let Some(params) = call.inline::<Params>() else {
        return Work::default();
    };
    let [rows, row_bytes, vocabulary] =
        [params.rows, params.row_bytes, params.vocabulary].map(u64::from);
    let vocabulary = vocabulary.max(1);
    let ids = call.bytes(1);
    let needed = product([elements(ids).min(vocabulary), row_bytes, rows]) / vocabulary;
    let out = product([call.bytes(2), rows]) / vocabulary;
    read(needed) + read(ids) + written(out)
}

fn source(dtype: DType, out: Access) -> KernelSource {
    let name = match dtype {
        DType::F32 => "f32",
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        DType::Q8_0 => "q8_0",
        DType::Q4_0 => "q4_0",
        DType::Q4_1 => "q4_1",
        DType::Q4K => "q4_k",
        DType::Q6K => "q6_k",
        DType::U32 => unreachable!("no type of weights"),
    };
    let dequantize = format!(
        "fn dequantize(row: u32, column: u32) -> f32 {{ return dequantize_{name}(row, column); }}"
    );
    let text = [
        include_str!("../quant/load.wgsl"),
        include_str!("../quant/blocks.wgsl"),
        include_str!("embed.wgsl"),
        &dequantize,
    ]
    .join("\n");
    // SAFETY: rows that the part of the table has are read, and rows of ids that there are written, by shapes that
    // the host checks.
    let wgsl = unsafe { Wgsl::new(text).trusted() };
    let source = KernelSource::new(format!("embed_{name}"))
        .op("embed")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Read)
        .binding::<f32>(2, out)
        .inline::<Params>()
        .work(work)
        .wgsl(wgsl);
    match out {
        Access::Write => source.overwrites(2),
        _ => source,
    }
}
