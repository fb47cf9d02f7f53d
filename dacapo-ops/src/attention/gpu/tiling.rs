//! The sizes of the form for many rows.

use dacapo::Limits;

/// How a workgroup divides its pairs of rows and heads, and the positions they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tiling {
    /// (row, head) pairs of one workgroup.
    pub(super) pairs: u32,
    /// Positions whose keys or values are in workgroup memory at once.
    tile: u32,
    /// Threads that share a pair.
    columns: u32,
}

/// Rows from which it pays.
pub(super) const LEAST_TOKENS: u32 = 16;
/// Widest head, which bounds the registers of a thread.
const WIDEST: u32 = 256;
/// Pairs of one thread, as many as a vector has elements.
const PER: u32 = 4;
/// Vectors of 4 elements of a row that are in workgroup memory at once.
const MAX_QUADS: u32 = 32;

impl Tiling {
    /// That for so many rows, or none where the split form is better or `limits` forbid this one.
    pub(super) fn new(tokens: u32, ratio: u32, head_dim: u32, limits: &Limits) -> Option<Tiling> {
        let (pairs, tile, columns) = match head_dim {
            0..=64 => (32, 32, 8),
            65..=128 => (32, 16, 8),
            129..=WIDEST => (16, 16, 16),
            _ => return None,
        };
        let tiling = Tiling {
            pairs,
            tile,
            columns,
        };
        let enough = tokens >= LEAST_TOKENS && tokens.saturating_mul(ratio) >= pairs;
        let fits = tiling.threads() <= limits.max_group_threads
            && tiling.shared_bytes(head_dim) <= limits.max_shared_bytes;
        (enough && fits).then_some(tiling)
    }

    pub(super) fn threads(self) -> u32 {
        self.pairs / PER * self.columns
    }

    /// Bounds the memory of a workgroup: queries, keys or values, weights, parts and counters.
    fn shared_bytes(self, head_dim: u32) -> u32 {
        let quads = head_dim.next_multiple_of(16) / 4;
        let queries = self.pairs * quads;
        let staged = self.tile * (quads.min(MAX_QUADS) + 1);
        let weights = self.tile * (self.pairs / PER + 1);
        let parts = self.threads();
        16 * (queries + staged + weights + parts + 1)
    }

    pub(super) fn constants(self) -> [(&'static str, u32); 4] {
        [
            ("TILE", self.tile),
            ("COLUMNS", self.columns),
            ("PER", PER),
            ("MAX_QUADS", MAX_QUADS),
        ]
    }
}
