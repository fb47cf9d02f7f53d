//! The WGSL of products, put together for a type and a shape.

use std::fmt::Write;

use crate::dtype::DType;
use crate::linear::gpu::Layout;

/// What a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    pub(super) dtype: DType,
    pub(super) bias: bool,
    /// Rows are no whole number of units, so that activations are read one by one.
    pub(super) odd: bool,
    pub(super) way: Way,
}

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    MatVec(Shape),
    MatMul,
    Cooperative,
}

/// How the work of few tokens is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows that a subgroup computes.
    pub rows: u32,
    /// Subgroups of a workgroup.
    pub subgroups: u32,
    /// Units of each row that a lane loads before it multiplies.
    pub unroll: u32,
    /// Subgroups that share the columns of their rows; divides `subgroups`.
    pub split: u32,
    /// Tokens.
    pub tokens: u32,
}

impl Variant {
    pub(super) fn op(&self) -> &'static str {
        match self.way {
            Way::MatVec(_) => "matvec",
            Way::MatMul | Way::Cooperative => "matmul",
        }
    }

    pub(super) fn name(&self) -> String {
        let mut name = format!("{}_{}", self.op(), self.dtype.name().to_lowercase());
        if self.way == Way::Cooperative {
            name.push_str("_cooperative");
        }
        if self.bias {
            name.push_str("_bias");
        }
        name
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.way == Way::Cooperative {
            text.push_str("enable f16;\nenable wgpu_cooperative_matrix;\n");
        }
        if self.way != Way::MatMul {
            text.push_str("override SUBGROUP_SIZE: u32;\n");
        }
        self.head(&mut text);
        text.push_str(types(self.dtype));
        match self.way {
            Way::MatVec(shape) => matvec(&mut text, shape),
            Way::MatMul => text.push_str(include_str!("matmul.wgsl")),
            Way::Cooperative => text.push_str(include_str!("cooperative.wgsl")),
        }
        text
    }

    /// Arguments, and how activations are read and results written.
    fn head(&self, text: &mut String) {
        text.push_str(
            "struct Params { rows: u32, cols: u32, tokens: u32, stride: u32, first: u32, units: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> w: array<vec4<u32>>;\n",
        );
        if Layout::new(self.dtype, 1, 256).has_second() {
            text.push_str("@group(0) @binding(1) var<storage, read> s: array<u32>;\n");
        }
        text.push_str(match self.odd {
            false => {
                "@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
fn x4(token: u32, k4: u32) -> vec4<f32> { return x[token * (p.cols / 4u) + k4]; }\n"
            }
            true => {
                "@group(0) @binding(2) var<storage, read> x: array<f32>;
fn x1(token: u32, k: u32) -> f32 {
    return select(0.0, x[token * p.cols + min(k, p.cols - 1u)], k < p.cols);
}
fn x4(token: u32, k4: u32) -> vec4<f32> {
    let k = k4 * 4u;
    return vec4<f32>(x1(token, k), x1(token, k + 1u), x1(token, k + 2u), x1(token, k + 3u));
}\n"
            }
        });
        text.push_str("@group(0) @binding(3) var<storage, read_write> out: array<f32>;\n");
        if self.bias {
            text.push_str("@group(0) @binding(4) var<storage, read> bias: array<f32>;\n");
        }
        let bias = if self.bias {
            " + bias[p.first + row]"
        } else {
            ""
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "fn put(token: u32, row: u32, value: f32) {{ out[token * p.stride + p.first + row] = value{bias}; }}"
        );
    }
}

fn types(dtype: DType) -> &'static str {
    macro_rules! files {
        ($($file:literal),*) => { concat!($(include_str!(concat!("types/", $file, ".wgsl"))),*) };
    }
    match dtype {
        DType::F32 | DType::U32 => files!("f32"),
        DType::F16 => files!("f16", "halves"),
        DType::BF16 => files!("bf16", "halves"),
        DType::Q8_0 => files!("q8_0"),
        DType::Q4_0 => files!("ones", "q4_0", "nibbles"),
        DType::Q4_1 => files!("ones", "q4_1", "nibbles"),
        DType::Q4K => files!("ones", "q4_k"),
        DType::Q6K => files!("q6_k"),
    }
}

/// Few tokens: the lanes of a subgroup go along its rows, and add up what they have in the end. Everything whose number
/// is known is written out, so that it stays in registers.
fn matvec(text: &mut String, shape: Shape) {
    let Shape {
        rows,
        subgroups,
        unroll,
        split,
        tokens,
    } = shape;
    let sums = rows * tokens;
    let each = || (0..rows).flat_map(move |row| (0..tokens).map(move |token| (row, token)));
    if split > 1 {
        let _ = writeln!(
            text,
            "var<workgroup> partial: array<f32, {}>;",
            subgroups * sums
        );
    }
    let _ = writeln!(
        text,
        "@compute @workgroup_size(SUBGROUP_SIZE * {subgroups}u)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {{
    let group = id.y * groups.x + id.x;
    let first = (group * {}u + subgroup / {split}u) * {rows}u;
    let units = p.units;
    let end = select(units, 0u, first >= p.rows);
    let step = SUBGROUP_SIZE * {split}u;
    var unit = (subgroup % {split}u) * SUBGROUP_SIZE + lane;",
        subgroups / split
    );
    for row in 0..rows {
        let _ = writeln!(text, "    let row{row} = min(first + {row}u, p.rows - 1u);");
    }
    for token in 0..tokens {
        let _ = writeln!(text, "    let token{token} = min({token}u, p.tokens - 1u);");
    }
    for (row, token) in each() {
        let _ = writeln!(text, "    var sum{row}_{token} = 0.0;");
    }
    let mut body = |count: u32, head: &str| {
        let _ = writeln!(text, "    {head}");
        for at in 0..count {
            for row in 0..rows {
                let _ = writeln!(
                    text,
                    "        let w{row}_{at} = load_unit(row{row}, unit + {at}u * step, units);"
                );
            }
        }
        for at in 0..count {
            for token in 0..tokens {
                let _ = writeln!(
                    text,
                    "        let x{token}_{at} = load_input(token{token}, unit + {at}u * step);"
                );
                for row in 0..rows {
                    let _ = writeln!(
                        text,
                        "        sum{row}_{token} += unit_dot(w{row}_{at}, x{token}_{at});"
                    );
                }
            }
        }
        let _ = writeln!(text, "        unit += {count}u * step;\n    }}");
    };
    if unroll > 1 {
        body(
            unroll,
            &format!("while unit + {}u * step < end {{", unroll - 1),
        );
    }
    body(1, "while unit < end {");
    for (row, token) in each() {
        let _ = writeln!(
            text,
            "    sum{row}_{token} = subgroupAdd(sum{row}_{token});"
        );
    }
    if split > 1 {
        let _ = writeln!(text, "    if lane == 0u {{");
        for (row, token) in each() {
            let _ = writeln!(
                text,
                "        partial[subgroup * {sums}u + {}u] = sum{row}_{token};",
                row * tokens + token
            );
        }
        let _ = writeln!(
            text,
            "    }}\n    workgroupBarrier();\n    if subgroup % {split}u != 0u {{ return; }}"
        );
        for (row, token) in each() {
            for other in 1..split {
                let _ = writeln!(
                    text,
                    "    sum{row}_{token} += partial[(subgroup + {other}u) * {sums}u + {}u];",
                    row * tokens + token
                );
            }
        }
    }
    // Different lanes write different sums.
    for (row, token) in each() {
        let lane = row * tokens + token;
        let _ = writeln!(
            text,
            "    if lane == {lane}u % SUBGROUP_SIZE && first + {row}u < p.rows && {token}u < p.tokens \
             {{ put({token}u, first + {row}u, sum{row}_{token}); }}"
        );
    }
    text.push_str("}\n");
}
