//! The WGSL of few tokens: the lanes of a subgroup go along its rows, and add up what they have in the end. Everything
//! whose number is known is written out, so that it stays in registers.

use super::shader::{binding, line};
use super::variant::{FOUND, Job, SLOTS, Shape, Variant};
use crate::gelu_mul::Form;
use crate::linear::Activation;

/// Writes a kernel.
pub(super) struct MatVec<'v> {
    variant: &'v Variant,
    shape: Shape,
    /// Matrices that a subgroup goes along at the same time.
    abreast: u32,
}

macro_rules! put {
    ($text:expr, $($line:tt)*) => { line($text, format_args!($($line)*)) };
}

impl<'v> MatVec<'v> {
    pub(super) fn new(variant: &'v Variant, shape: Shape) -> Self {
        MatVec {
            variant,
            shape,
            abreast: variant.job.abreast(),
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        let Shape {
            rows,
            subgroups,
            split,
            tokens,
            ..
        } = self.shape;
        let (per_group, height) = (subgroups / split, self.shape.height());
        self.declarations(text);
        put!(
            text,
            "@compute @workgroup_size(SUBGROUP_SIZE * {subgroups}u)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {{
    let units = p.units;
    let step = SUBGROUP_SIZE * {split}u;
    let start = (subgroup % {split}u) * SUBGROUP_SIZE + lane;
    var block = id.y * groups.x + id.x;"
        );
        for token in 0..tokens {
            put!(text, "    let token{token} = min({token}u, p.tokens - 1u);");
        }
        let argmax = self.variant.job == Job::Argmax;
        if argmax {
            for token in 0..tokens {
                put!(text, "    var best{token} = 0u;\n    var at{token} = NONE;");
            }
            put!(
                text,
                "    let blocks = (p.rows_0 + {0}u) / {1}u;\n    for (; block < blocks; block += groups.x) {{",
                height - 1,
                height
            );
        }
        self.matrix_of_block(text);
        put!(
            text,
            "    let first = (block * {per_group}u + subgroup / {split}u) * {rows}u;
    let end = select(units, 0u, first >= rows);"
        );
        for row in 0..rows {
            put!(text, "    let row{row} = min(first + {row}u, rows - 1u);");
        }
        for sum in self.sums() {
            put!(text, "    var {sum} = 0.0;");
        }
        if self.variant.norm {
            for token in 0..tokens {
                put!(text, "    var squares{token} = vec4<f32>();");
            }
        }
        match self.alternatives() {
            1 => self.products(text, 0),
            count => {
                for matrix in 0..count {
                    put!(text, "    if matrix == {matrix}u {{");
                    self.products(text, matrix);
                    put!(text, "    }}");
                }
            }
        }
        self.join_lanes(text, argmax);
        if argmax {
            self.keep_greatest(text);
            put!(text, "    }}");
            self.join_greatest(text);
        } else {
            self.store(text);
        }
        put!(text, "}}");
    }

    /// Matrices of which each workgroup has one.
    fn alternatives(&self) -> u32 {
        self.variant.matrices() as u32 / self.abreast
    }

    /// The names of all sums.
    fn sums(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (row, token) in self.each() {
            names.extend((0..self.abreast).map(|matrix| format!("sum{matrix}_{row}_{token}")));
        }
        names
    }

    fn each(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let Shape { rows, tokens, .. } = self.shape;
        (0..rows).flat_map(move |row| (0..tokens).map(move |token| (row, token)))
    }

    fn declarations(&self, text: &mut String) {
        let Shape {
            subgroups,
            split,
            tokens,
            ..
        } = self.shape;
        if split > 1 {
            let partial = subgroups * (self.sums().len() as u32 + self.squares());
            put!(text, "var<workgroup> partial: array<f32, {partial}>;");
        }
        match self.variant.job {
            Job::Each(_) => {}
            Job::Gated(activation) => {
                text.push_str(include_str!("../../vector/math.wgsl"));
                let function = match activation {
                    Activation::Silu => "silu",
                    Activation::Gelu(Form::Tanh) => "gelu_tanh",
                    Activation::Gelu(Form::Erf) => "gelu_erf",
                };
                put!(
                    text,
                    "fn gated(gate: f32, up: f32) -> f32 {{ return {function}(gate) * up; }}"
                );
            }
            Job::Argmax => {
                put!(
                    text,
                    "const SUBGROUPS: u32 = {subgroups}u;\nconst TOKENS: u32 = {tokens}u;"
                );
                binding(text, SLOTS[0].out, "read_write", "ids", "u32");
                binding(text, FOUND, "read_write", "found", "atomic<u32>");
                text.push_str(include_str!("../../rows/ordered.wgsl"));
                text.push_str(include_str!("greatest.wgsl"));
            }
        }
    }

    /// Sums of squares of each subgroup.
    fn squares(&self) -> u32 {
        match self.variant.norm {
            true => self.shape.tokens,
            false => 0,
        }
    }

    /// Which matrix the workgroup's block of rows belongs to, and which of its blocks it is.
    fn matrix_of_block(&self, text: &mut String) {
        let height = self.shape.height();
        match self.alternatives() {
            1 => put!(text, "    let rows = p.rows_0;"),
            count => {
                put!(text, "    var rows = p.rows_0;\n    var matrix = 0u;");
                for next in 1..count {
                    put!(
                        text,
                        "    if matrix == {0}u && block >= (rows + {1}u) / {height}u {{
        block -= (rows + {1}u) / {height}u;
        rows = p.rows_{next};
        matrix = {next}u;
    }}",
                        next - 1,
                        height - 1
                    );
                }
            }
        }
    }

    /// Adds up the products of this lane's units.
    fn products(&self, text: &mut String, matrix: u32) {
        put!(text, "    var unit = start;");
        if let Some(turns) = self.variant.turns {
            // Those beyond the last row read it again.
            put!(text, "    for (var turn = 0u; turn < {turns}u; turn++) {{");
            self.turn(text, matrix, self.shape.unroll);
            return;
        }
        if self.shape.unroll > 1 {
            let ahead = self.shape.unroll - 1;
            put!(text, "    while unit + {ahead}u * step < end {{");
            self.turn(text, matrix, self.shape.unroll);
        }
        put!(text, "    while unit < end {{");
        self.turn(text, matrix, 1);
    }

    fn turn(&self, text: &mut String, matrix: u32, count: u32) {
        let Shape { rows, tokens, .. } = self.shape;
        for at in 0..count {
            for (abreast, row) in (0..self.abreast).flat_map(|m| (0..rows).map(move |row| (m, row)))
            {
                put!(
                    text,
                    "        let w{abreast}_{row}_{at} = load_unit_{}(row{row}, unit + {at}u * step, units);",
                    matrix + abreast
                );
            }
        }
        for (at, token) in (0..count).flat_map(|at| (0..tokens).map(move |token| (at, token))) {
            if self.variant.norm {
                put!(text, "        squares = squares{token};");
            }
            put!(
                text,
                "        let x{token}_{at} = load_input(token{token}, unit + {at}u * step);"
            );
            if self.variant.norm {
                put!(text, "        squares{token} = squares;");
            }
            for (abreast, row) in (0..self.abreast).flat_map(|m| (0..rows).map(move |row| (m, row)))
            {
                put!(
                    text,
                    "        sum{abreast}_{row}_{token} += unit_dot(w{abreast}_{row}_{at}, x{token}_{at});"
                );
            }
        }
        put!(text, "        unit += {count}u * step;\n    }}");
    }

    /// Every sum becomes that of all lanes, and of the subgroups that share columns; only the first of these goes on, or
    /// has the right sums if `all` go on.
    fn join_lanes(&self, text: &mut String, all: bool) {
        let Shape { split, tokens, .. } = self.shape;
        let mut sums = self.sums();
        if self.variant.norm {
            for token in 0..tokens {
                put!(
                    text,
                    "    var square{token} = dot(squares{token}, vec4<f32>(1.0));"
                );
                sums.push(format!("square{token}"));
            }
        }
        if all {
            put!(text, "    subgroupBarrier();");
        }
        for sum in &sums {
            put!(text, "    {sum} = subgroupAdd({sum});");
        }
        if split > 1 {
            let count = sums.len();
            put!(text, "    if lane == 0u {{");
            for (at, sum) in sums.iter().enumerate() {
                put!(
                    text,
                    "        partial[subgroup * {count}u + {at}u] = {sum};"
                );
            }
            put!(text, "    }}\n    workgroupBarrier();");
            match all {
                true => put!(text, "    if subgroup % {split}u == 0u {{"),
                false => put!(
                    text,
                    "    if subgroup % {split}u != 0u {{ return; }}\n    {{"
                ),
            }
            for (at, sum) in sums.iter().enumerate() {
                for other in 1..split {
                    put!(
                        text,
                        "        {sum} += partial[(subgroup + {other}u) * {count}u + {at}u];"
                    );
                }
            }
            put!(text, "    }}");
            if all {
                put!(text, "    workgroupBarrier();");
            }
        }
        if self.variant.norm {
            for token in 0..tokens {
                put!(
                    text,
                    "    let scale{token} = inverse_root(square{token} / f32(p.cols) + p.eps);"
                );
            }
            for (row, token) in self.each() {
                for matrix in 0..self.abreast {
                    put!(text, "    sum{matrix}_{row}_{token} *= scale{token};");
                }
            }
        }
    }

    /// Different lanes write different sums.
    fn store(&self, text: &mut String) {
        let count = self.alternatives();
        for matrix in 0..count {
            let which = match count {
                1 => String::new(),
                _ => format!("matrix == {matrix}u && "),
            };
            for (row, token) in self.each() {
                let lane = row * self.shape.tokens + token;
                let value = match self.abreast {
                    1 => format!("sum0_{row}_{token}"),
                    _ => format!("gated(sum0_{row}_{token}, sum1_{row}_{token})"),
                };
                put!(
                    text,
                    "    if {which}lane == {lane}u % SUBGROUP_SIZE && first + {row}u < rows && {token}u < p.tokens \
                     {{ put_{matrix}({token}u, first + {row}u, {value}); }}"
                );
            }
        }
    }

    /// Compares the block's sums with the greatest so far. Blocks and rows rise, so that of equals the first stays.
    fn keep_greatest(&self, text: &mut String) {
        let split = self.shape.split;
        for (row, token) in self.each() {
            put!(
                text,
                "    {{
        let key = ordered(bitcast<u32>(sum0_{row}_{token}));
        if subgroup % {split}u == 0u && first + {row}u < rows && key > best{token} {{
            best{token} = key;
            at{token} = first + {row}u;
        }}
    }}"
            );
        }
    }

    fn join_greatest(&self, text: &mut String) {
        put!(text, "    if lane == 0u {{");
        for token in 0..self.shape.tokens {
            put!(
                text,
                "        keys[subgroup * TOKENS + {token}u] = best{token};
        places[subgroup * TOKENS + {token}u] = at{token};"
            );
        }
        put!(text, "    }}\n    join_greatest(id.x, groups.x, thread);");
    }
}

impl Job {
    /// Matrices that a subgroup goes along at the same time.
    pub(super) fn abreast(self) -> u32 {
        match self {
            Job::Gated(_) => 2,
            Job::Each(_) | Job::Argmax => 1,
        }
    }
}
