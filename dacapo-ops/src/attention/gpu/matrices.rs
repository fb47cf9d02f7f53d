//! The form for many rows on matrix units that take matrices of 16x16.

use dacapo::{CooperativeMatrix, GpuFeatures, Limits};

use super::tiling::LEAST_TOKENS;
use crate::text::put;

/// How a workgroup divides its pairs of rows and heads, and the positions they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Matrices {
    head_dim: u32,
    subgroup_size: u32,
    /// Positions whose keys and values are in workgroup memory at once.
    tile: u32,
}

/// (row, head) pairs of one workgroup.
const PAIRS: u32 = 64;
/// Subgroups of one workgroup, among which its pairs are divided.
const SUBGROUPS: u32 = 4;
/// Pairs of one subgroup.
const ROWS: u32 = PAIRS / SUBGROUPS;
/// Widest head, which bounds the registers of a thread.
const WIDEST: u32 = 128;
/// Rows, and columns, of each matrix: as many as a subgroup has pairs.
const SIZE: u32 = CooperativeMatrix::Size16.size();
const _: () = assert!(ROWS == SIZE);
/// Halves between the ends and beginnings of rows in workgroup memory, so that eight of them lie in different banks.
const GAP: u32 = 8;

/// Elements of a vector in workgroup memory: strides of matrices count what is pointed at.
const PER: u32 = 4;

const MEMORY: &str = "var<workgroup> tiles: array<vec4<f16>, TILES>;
var<workgroup> weights: array<vec4<f16>, WEIGHTS_OF_ALL>;
var<workgroup> scores: array<vec4<f32>, SCORES_OF_ALL>;
fn keep_tile(at: u32, x: vec4<f16>) { tiles[at / PER] = x; }
fn keep_weight(at: u32, x: vec4<f16>) { weights[at / PER] = x; }
fn keep_score(at: u32, x: vec4<f32>) { scores[at / PER] = x; }
fn score4(at: u32) -> vec4<f32> { return scores[at / PER]; }
";

impl Matrices {
    /// That for so many rows, or none where another form is better or the device has no such matrices or too little memory.
    pub(super) fn new(
        tokens: u32,
        ratio: u32,
        head_dim: u32,
        features: &GpuFeatures,
        limits: &Limits,
    ) -> Option<Matrices> {
        // Smaller ones, which Apple's GPUs have, nobody has measured.
        let has_matrices = features.cooperative_matrix == Some(CooperativeMatrix::Size16);
        let subgroup_size = features.subgroup_size;
        let is_whole = head_dim.is_multiple_of(SIZE) && head_dim <= WIDEST;
        let shares_rows = subgroup_size.is_multiple_of(ROWS) && subgroup_size <= 4 * ROWS;
        let enough = tokens >= LEAST_TOKENS && tokens.saturating_mul(ratio) >= PAIRS;
        let tiles: &[u32] = if head_dim <= 64 { &[64, 32] } else { &[32] };
        let of_tile = |tile| Matrices {
            head_dim,
            subgroup_size,
            tile,
        };
        let fits = |m: &Matrices| {
            m.threads() <= limits.max_group_threads && m.shared_bytes() <= limits.max_shared_bytes
        };
        let found = tiles.iter().copied().map(of_tile).find(fits);
        found.filter(|_| has_matrices && is_whole && shares_rows && enough)
    }

    pub(super) fn pairs(self) -> u32 {
        PAIRS
    }

    pub(super) fn threads(self) -> u32 {
        SUBGROUPS * self.subgroup_size
    }

    /// Halves from row to row of keys, values and queries.
    fn stride(self) -> u32 {
        self.head_dim + GAP
    }

    /// Halves from row to row of weights.
    fn weights_stride(self) -> u32 {
        self.tile + GAP
    }

    /// Elements from row to row of scores. With half the gap, heads of 128 fit into 32 KiB.
    fn scores_stride(self) -> u32 {
        self.tile + GAP / 2
    }

    /// Halves of the keys and values of a tile, or of the queries.
    fn tile_halves(self) -> u32 {
        (2 * self.tile).max(PAIRS) * self.stride()
    }

    /// Bytes of workgroup memory: tiles, weights, scores and counters.
    fn shared_bytes(self) -> u32 {
        let of_pair = 2 * self.weights_stride() + 4 * self.scores_stride();
        2 * self.tile_halves() + PAIRS * of_pair + 16
    }

    /// What stands in front of all text of the kernel.
    pub(super) const ENABLE: &'static str = "enable f16;\nenable wgpu_cooperative_matrix;\n";

    /// The bindings of keys and values.
    pub(super) const CACHES: &'static str =
        "@group(0) @binding(1) var<storage, read> k_cache: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> v_cache: array<vec4<f16>>;
";

    pub(super) fn constants(self) -> [(&'static str, u32); 11] {
        [
            ("SIZE", SIZE),
            ("ROWS", ROWS),
            ("WORKGROUP", self.threads()),
            ("LANES", self.subgroup_size / ROWS),
            ("TILE", self.tile),
            ("STRIDE", self.stride()),
            ("VALUES", self.tile * self.stride()),
            ("SCORES", self.scores_stride()),
            ("WEIGHTS", self.weights_stride()),
            ("PER", PER),
            ("VECS", 1),
        ]
    }

    /// The kernel behind its constants.
    pub(super) fn text(self) -> String {
        let mut text = String::new();
        for (name, element) in [("Left", "f16, A"), ("Right", "f16, B"), ("Sum", "f32, C")] {
            put!(
                &mut text,
                "alias {name} = coop_mat{SIZE}x{SIZE}<{element}>;"
            );
        }
        let of_all = |stride: u32| (PAIRS * stride / PER).to_string();
        let memory = MEMORY
            .replace("TILES", &(self.tile_halves() / PER).to_string())
            .replace("WEIGHTS_OF_ALL", &of_all(self.weights_stride()))
            .replace("SCORES_OF_ALL", &of_all(self.scores_stride()));
        text.push_str(&memory);
        text.push_str(include_str!("../../vector/narrow.wgsl"));
        for each in include_str!("matrices.wgsl").lines() {
            match each.trim_start().strip_prefix("//: ") {
                None => put!(&mut text, "{each}"),
                Some("queries") => self.queries(&mut text),
                Some("sums") => self.sums(&mut text),
                Some("load") => self.load(&mut text),
                Some("keep") => self.keep(&mut text),
                Some("scores") => self.scores(&mut text),
                Some("values") => self.values(&mut text),
                Some("shrink") => self.shrink(&mut text),
                Some(_) => self.put(&mut text),
            }
        }
        text
    }

    /// Matrices that the elements of a head make.
    fn wide(self) -> std::ops::Range<u32> {
        0..self.head_dim / SIZE
    }

    /// Matrices that the positions of a tile make.
    fn along(self) -> std::ops::Range<u32> {
        0..self.tile / SIZE
    }

    fn queries(self, text: &mut String) {
        for k in self.wide() {
            put!(
                text,
                "let q_{k} = coopLoadT<Left>(&tiles[(first_row * STRIDE + {k}u * SIZE) / PER], STRIDE / PER);"
            );
        }
    }

    fn sums(self, text: &mut String) {
        for n in self.wide() {
            put!(text, "var sum_{n} = Sum();");
        }
        for i in self.fours() {
            put!(
                text,
                "let at{i} = min(thread + {i}u * WORKGROUP, TILE * QUADS - 1u);"
            );
            put!(text, "var k{i} = vec4<f16>();\nvar v{i} = vec4<f16>();");
        }
    }

    /// Four halves of keys, and of values, that a thread brings for each tile.
    fn fours(self) -> std::ops::Range<u32> {
        0..(self.tile * self.head_dim / 4).div_ceil(self.threads())
    }

    fn load(self, text: &mut String) {
        for i in self.fours() {
            put!(
                text,
                "let from{i} = (kv_head * params.capacity + slot_of(first_slot, at{i} / QUADS, last_behind)) * QUADS + at{i} % QUADS;"
            );
            put!(text, "k{i} = k_cache[from{i}];\nv{i} = v_cache[from{i}];");
        }
    }

    fn keep(self, text: &mut String) {
        for i in self.fours() {
            put!(
                text,
                "if thread + {i}u * WORKGROUP < TILE * QUADS {{ let to{i} = at{i} / QUADS * STRIDE + at{i} % QUADS * 4u; keep_tile(to{i}, k{i}); keep_tile(VALUES + to{i}, v{i}); }}"
            );
        }
    }

    fn scores(self, text: &mut String) {
        for t in self.along() {
            put!(text, "var score_{t} = Sum();");
        }
        for k in self.wide() {
            for t in self.along() {
                put!(
                    text,
                    "let key{k}_{t} = coopLoad<Right>(&tiles[({t}u * SIZE * STRIDE + {k}u * SIZE) / PER], STRIDE / PER);"
                );
                put!(
                    text,
                    "score_{t} = coopMultiplyAdd(q_{k}, key{k}_{t}, score_{t});"
                );
            }
        }
        for t in self.along() {
            self.store(text, t, "score", t);
        }
    }

    fn values(self, text: &mut String) {
        for k in self.along() {
            put!(
                text,
                "let weight_{k} = coopLoadT<Left>(&weights[(first_row * WEIGHTS + {k}u * SIZE) / PER], WEIGHTS / PER);"
            );
            for n in self.wide() {
                put!(
                    text,
                    "let value{k}_{n} = coopLoadT<Right>(&tiles[(VALUES + {k}u * SIZE * STRIDE + {n}u * SIZE) / PER], STRIDE / PER);"
                );
                put!(
                    text,
                    "sum_{n} = coopMultiplyAdd(weight_{k}, value{k}_{n}, sum_{n});"
                );
            }
        }
    }

    /// Puts matrices number `n` of `name` in the place of scores, from column `place * SIZE` on. The arguments of a store must
    /// have names.
    fn store(self, text: &mut String, n: u32, name: &str, place: u32) {
        put!(
            text,
            "{{ let matrix = {name}_{n}; let at = (first_row * SCORES + {place}u * SIZE) / PER; let stride = SCORES / PER; coopStoreT(matrix, &scores[at], stride); }}"
        );
    }

    /// The sums, as many at a time as have room in the place of scores: their numbers.
    fn rounds(self) -> impl Iterator<Item = std::ops::Range<u32>> {
        let (all, at_once) = (self.wide().end, self.along().end);
        (0..all.div_ceil(at_once)).map(move |i| i * at_once..((i + 1) * at_once).min(all))
    }

    fn shrink(self, text: &mut String) {
        for round in self.rounds() {
            let first = round.start;
            for n in round.clone() {
                self.store(text, n, "sum", n - first);
            }
            put!(
                text,
                "workgroupBarrier();\nshrink_sums(row, mine, shrink);\nworkgroupBarrier();"
            );
            for n in round {
                let place = n - first;
                put!(
                    text,
                    "sum_{n} = coopLoadT<Sum>(&scores[(first_row * SCORES + {place}u * SIZE) / PER], SCORES / PER);"
                );
            }
            put!(text, "workgroupBarrier();");
        }
    }

    fn put(self, text: &mut String) {
        for round in self.rounds() {
            let first = round.start;
            for n in round {
                self.store(text, n, "sum", n - first);
            }
            put!(
                text,
                "workgroupBarrier();\nif row < pairs {{ put_sums(row, mine, {first}u * SIZE, working, to, weight); }}\nworkgroupBarrier();"
            );
        }
    }
}
