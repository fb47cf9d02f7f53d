//! The kernel for many tokens on matrix units, whatever size of matrices these take.

use dacapo::CooperativeMatrix;

use crate::dtype::DType;
use crate::text::{line, put};

/// How a product on matrix units is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Tokens of a workgroup's tile.
    pub tokens: u32,
    /// Rows of a workgroup's tile.
    pub rows: u32,
    /// Columns that are in workgroup memory at a time.
    pub depth: u32,
    /// Subgroups from top to bottom, each with a part of the tokens.
    pub down: u32,
    /// Subgroups from left to right, each with a part of the rows.
    pub across: u32,
    /// Tiles of each factor in workgroup memory, 1 or 2.
    pub buffers: u32,
    /// Workgroup memory is written and read 16 bytes at a time, which Metal's matrices cannot.
    pub wide: bool,
}

/// What a kernel is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cooperative {
    pub(super) matrix: CooperativeMatrix,
    pub(super) tiling: Tiling,
    /// Columns are a multiple of the tiling's depth.
    pub(super) whole: bool,
    pub(super) subgroup_size: u32,
}

const TEXT: &str = include_str!("cooperative.wgsl");
const NARROW_FOUR: &str = include_str!("../../vector/narrow.wgsl");

/// The sections of the text, in their order: what comes first, sums from their beginning, each step of a turn, the turn's
/// end, and of each matrix of sums how it comes out, the look for what is left out, and the results.
const SECTIONS: [&str; 7] = ["", "sums", "step", "turn", "matrix", "look", "put"];

/// A weight that is in a column beyond the last counts for nothing.
const WITHIN: &str = "fn within(k: u32, column8: u32, w: vec4<f16>) -> vec4<f16> {
    return select(vec4<f16>(), w, k + column8 * 8u < p.cols);
}";
const ALL_WITHIN: &str = "fn within(k: u32, column8: u32, w: vec4<f16>) -> vec4<f16> { return w; }";

/// Halves between the ends and beginnings of lines of a tile, so that they lie in different banks.
const GAP: u32 = 8;

const WIDE: &str = "var<workgroup> tiles: array<vec4<f16>, LENGTH>;
fn keep(at: u32, a: vec4<f16>, b: vec4<f16>) {
    tiles[at / PER] = a;
    tiles[at / PER + 1u] = b;
}";

const NARROW: &str = "var<workgroup> tiles: array<f16, LENGTH>;
fn keep(at: u32, a: vec4<f16>, b: vec4<f16>) {
    for (var i = 0u; i < 4u; i += 1u) {
        tiles[at + i] = a[i];
        tiles[at + 4u + i] = b[i];
    }
}";

impl Tiling {
    /// The numbers in the order of the fields.
    pub fn new([tokens, rows, depth, down, across, buffers]: [u32; 6], wide: bool) -> Tiling {
        Tiling {
            tokens,
            rows,
            depth,
            down,
            across,
            buffers,
            wide,
        }
    }

    /// The tile of small products, and of devices with small matrices.
    pub(super) fn smallest(matrix: CooperativeMatrix) -> Tiling {
        Tiling::new([64, 64, 32, 2, 2, 2], matrix == CooperativeMatrix::Size16)
    }

    /// Halves of the tiles in workgroup memory.
    fn halves(&self) -> u32 {
        self.buffers * (self.tokens + self.rows) * (self.depth + GAP)
    }

    /// Elements of the results that pass through workgroup memory at a time.
    fn results(&self, matrix: CooperativeMatrix) -> u32 {
        self.down * self.across * matrix.size() * matrix.size()
    }

    /// Bytes of workgroup memory.
    pub(super) fn shared_bytes(&self, matrix: CooperativeMatrix) -> u32 {
        2 * self.halves() + 4 * self.results(matrix) + 16
    }
}

impl Cooperative {
    pub(super) fn write(&self, text: &mut String, dtype: DType) {
        self.declare(text, dtype);
        self.multiply(text);
    }

    /// Constants, types, workgroup memory and how weights are read.
    fn declare(&self, text: &mut String, dtype: DType) {
        let Tiling {
            tokens,
            rows,
            depth,
            down,
            across,
            buffers,
            wide,
        } = self.tiling;
        let size = self.matrix.size();
        let (per, memory) = if wide { (4, WIDE) } else { (1, NARROW) };
        for (name, value) in [
            ("SIZE", size),
            ("TOKENS", tokens),
            ("ROWS", rows),
            ("DEPTH", depth),
            ("DOWN", down),
            ("ACROSS", across),
            ("BUFFERS", buffers),
            ("STRIDE", depth + GAP),
            ("PER", per),
        ] {
            line(text, format_args!("const {name}: u32 = {value}u;"));
        }
        for (name, element) in [("Left", "f16, A"), ("Right", "f16, B"), ("Sum", "f32, C")] {
            line(
                text,
                format_args!("alias {name} = coop_mat{size}x{size}<{element}>;"),
            );
        }
        let memory = memory.replace("LENGTH", &(self.tiling.halves() / per).to_string());
        let results = self.tiling.results(self.matrix);
        let within = if self.whole { ALL_WITHIN } else { WITHIN };
        line(
            text,
            format_args!(
                "{memory}\nvar<workgroup> results: array<f32, {results}>;\n{NARROW_FOUR}{within}\n{}",
                load8(dtype)
            ),
        );
    }

    /// The text with what is said of each matrix, each eight numbers and each step.
    fn multiply(&self, text: &mut String) {
        let Tiling {
            tokens,
            rows,
            depth,
            down,
            across,
            ..
        } = self.tiling;
        let size = self.matrix.size();
        let mut sections = TEXT.split("//: ");
        // Behind the first, each begins with its name.
        let [first, sums, step, turn, matrix, look, put] = SECTIONS.map(|name| {
            let section = sections.next().unwrap_or_default();
            section.strip_prefix(name).unwrap_or_default()
        });
        let parts = [tokens / down / size, rows / across / size];
        let threads = self.subgroup_size * down * across;
        let eights = [tokens, rows].map(|lines| (lines * depth / 8).div_ceil(threads));
        let marks = [
            ("{d}", parts[0]),
            ("{a}", parts[1]),
            ("{x}", eights[0]),
            ("{w}", eights[1]),
        ];
        let repeated = |text: &mut String, lines: &str| {
            lines.lines().for_each(|each| repeat(text, each, &marks));
        };
        repeated(text, first);
        // Small matrices look before they round, and loop over steps: nobody has measured anything else.
        let is_small = self.matrix == CooperativeMatrix::Size8;
        let passes: &[_] = match is_small {
            true => &[(false, "narrow(")],
            false => &[(false, "vec4<f16>("), (true, "narrow(")],
        };
        for &(once_more, halved) in passes {
            if once_more {
                put!(text, "if workgroupUniformLoad(&are_late[0]) != 0u {{");
            }
            repeated(text, &sums.replace("halved(", halved));
            if !is_small {
                for at in (0..depth).step_by(size as usize) {
                    repeated(text, &step.replace("{depth}", &format!("{at}u")));
                }
            } else {
                put!(text, "for (var depth = 0u; depth < DEPTH; depth += SIZE)");
                repeated(text, &step.replace("{depth}", "depth"));
            }
            repeated(text, turn);
            for (down, across) in (0..parts[0]).flat_map(|d| (0..parts[1]).map(move |a| (d, a))) {
                let of_matrix = |lines: &str| {
                    let lines = lines.replace("{d}", &down.to_string());
                    lines.replace("{a}", &across.to_string())
                };
                repeated(text, &of_matrix(matrix));
                if !once_more && !is_small {
                    repeated(text, &of_matrix(look));
                }
                let is_late = of_matrix("late{d}_{a}");
                let now = match once_more {
                    false => format!("!{is_late}"),
                    true => is_late,
                };
                repeated(text, &of_matrix(put).replace("{now}", &now));
            }
        }
        put!(text, "{}", if is_small { "}" } else { "}\n}" });
    }
}

/// How eight weights are loaded before, and turned into f32 after, the products of the turn before.
fn load8(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 | DType::BF16 => {
            "fn load8(row: u32, k8: u32, units: u32) -> vec4<u32> { return w_0[row * units + k8]; }
fn low4(w: vec4<u32>) -> vec4<f32> { return vec4<f32>(widen(w.x), widen(w.y)); }
fn high4(w: vec4<u32>) -> vec4<f32> { return vec4<f32>(widen(w.z), widen(w.w)); }"
        }
        DType::F32 | DType::U32 => {
            "struct Eight { low: vec4<f32>, high: vec4<f32> }
fn load8(row: u32, k8: u32, units: u32) -> Eight {
    let high = weight4_0(row, min(k8 * 2u + 1u, units - 1u), units);
    return Eight(weight4_0(row, k8 * 2u, units), select(vec4<f32>(), high, k8 * 2u + 1u < units));
}
fn low4(w: Eight) -> vec4<f32> { return w.low; }
fn high4(w: Eight) -> vec4<f32> { return w.high; }"
        }
        _ => {
            "struct Eight { low: vec4<f32>, high: vec4<f32> }
fn load8(row: u32, k8: u32, units: u32) -> Eight {
    return Eight(weight4_0(row, k8 * 2u, units), weight4_0(row, k8 * 2u + 1u, units));
}
fn low4(w: Eight) -> vec4<f32> { return w.low; }
fn high4(w: Eight) -> vec4<f32> { return w.high; }"
        }
    }
}

/// Writes a line for all that it is about. Comments are left out, so that they may name the marks.
fn repeat(text: &mut String, each: &str, marks: &[(&str, u32)]) {
    if each.trim_start().starts_with("//") {
        return;
    }
    match marks.iter().find(|(mark, _)| each.contains(mark)) {
        None => line(text, format_args!("{each}")),
        Some((mark, count)) => {
            for number in 0..*count {
                repeat(text, &each.replace(mark, &number.to_string()), marks);
            }
        }
    }
}
