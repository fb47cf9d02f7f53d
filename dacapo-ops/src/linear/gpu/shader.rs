//! The WGSL of products, put together for a type and a shape.

use super::matvec::MatVec;
use super::variant::{INPUT, Job, NORM, Put, SLOTS, Variant, Way};
use crate::dtype::DType;
use crate::gelu_mul::Form;
use crate::linear::Activation;
use crate::linear::gpu::Layout;
use crate::text::{line, put};

/// [`Params`](super::Params) as kernels have them.
pub(super) const PARAMS: &str = "struct Params {
    rows_0: u32, rows_1: u32, rows_2: u32, cols: u32, tokens: u32, stride: u32, first: u32, units: u32, eps: f32,
}
";

impl Variant {
    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if let Way::Cooperative(_) = self.way {
            text.push_str("enable f16;\nenable wgpu_cooperative_matrix;\n");
        }
        if self.way != Way::MatMul {
            text.push_str("override SUBGROUP_SIZE: u32;\n");
        }
        text.push_str(PARAMS);
        text.push_str("var<immediate> p: Params;\n");
        self.input(&mut text);
        self.weights(&mut text);
        self.outputs(&mut text);
        match self.way {
            Way::MatVec(shape) => MatVec::new(self, shape).write(&mut text),
            Way::MatMul => text.push_str(include_str!("matmul.wgsl")),
            Way::Cooperative(kernel) => kernel.write(&mut text, self.dtype),
        }
        text
    }

    /// How activations are read.
    fn input(&self, text: &mut String) {
        rows_of_four(text, self.odd, INPUT, "x");
        if !self.norm {
            text.push_str(
                "fn x4(token: u32, k4: u32) -> vec4<f32> { return four_of_x(token, k4); }\n",
            );
            return;
        }
        rows_of_four(text, self.odd, NORM, "norm");
        text.push_str(include_str!("../../vector/inverse_root.wgsl"));
        text.push_str(
            "// Of the activations read since it was last set.
var<private> squares: vec4<f32>;
fn x4(token: u32, k4: u32) -> vec4<f32> {
    let four = four_of_x(token, k4);
    squares = fma(four, four, squares);
    return four * four_of_norm(0u, k4);
}\n",
        );
    }

    /// How weights are read, and multiplied with activations.
    fn weights(&self, text: &mut String) {
        let slots = SLOTS.iter().take(self.matrices());
        let planes = slots.map(|slots| [slots.first, slots.second]);
        weights(text, self.dtype, "", (0..).zip(planes));
    }

    /// How results are written: `put_#` for each output.
    fn outputs(&self, text: &mut String) {
        let puts = match self.job {
            Job::Each(puts) => puts,
            Job::Gated(_) => [Some(Put::Plain), None, None],
            Job::Argmax => return,
        };
        for (matrix, (slots, put)) in SLOTS.iter().zip(puts).enumerate() {
            let Some(put) = put else { continue };
            binding(
                text,
                slots.out,
                "read_write",
                &format!("out_{matrix}"),
                "f32",
            );
            if put == Put::Bias {
                binding(text, slots.bias, "read", &format!("bias_{matrix}"), "f32");
            }
            let at = match self.part {
                true => "token * p.stride + p.first + row".to_owned(),
                false => format!("token * p.rows_{matrix} + row"),
            };
            let what = match put {
                Put::Plain => "= value".to_owned(),
                Put::Bias => format!("= value + bias_{matrix}[row]"),
                // Products of few tokens have loaded what was there, and added it.
                Put::Add if matches!(self.way, Way::MatVec(_)) => "= value".to_owned(),
                Put::Add => "+= value".to_owned(),
            };
            line(
                text,
                format_args!(
                    "fn put_{matrix}(token: u32, row: u32, value: f32) {{ out_{matrix}[{at}] {what}; }}"
                ),
            );
            if put == Put::Add {
                line(
                    text,
                    format_args!(
                        "fn before_{matrix}(token: u32, row: u32) -> f32 {{ return out_{matrix}[{at}]; }}"
                    ),
                );
            }
        }
    }
}

/// Declares the rows of activations bound at `slot`, and how four neighbours of one are read.
fn rows_of_four(text: &mut String, odd: bool, slot: u32, name: &str) {
    if !odd {
        binding(text, slot, "read", name, "vec4<f32>");
        line(
            text,
            format_args!(
                "fn four_of_{name}(row: u32, k4: u32) -> vec4<f32> {{ return {name}[row * (p.cols / 4u) + k4]; }}"
            ),
        );
        return;
    }
    binding(text, slot, "read", name, "f32");
    line(
        text,
        format_args!(
            "fn one_of_{name}(row: u32, k: u32) -> f32 {{
    return select(0.0, {name}[row * p.cols + min(k, p.cols - 1u)], k < p.cols);
}}
fn four_of_{name}(row: u32, k4: u32) -> vec4<f32> {{
    let k = 4u * k4;
    return vec4<f32>(one_of_{name}(row, k), one_of_{name}(row, k + 1u), one_of_{name}(row, k + 2u), one_of_{name}(row, k + 3u));
}}"
        ),
    );
}

/// Declares matrices by their numbers and the slots of their planes, and how units of them are read and multiplied. What
/// belongs to the type has names that end in `suffix`.
pub(super) fn weights(
    text: &mut String,
    dtype: DType,
    suffix: &str,
    matrices: impl Iterator<Item = (u32, [u32; 2])>,
) {
    /// In the files, what stands below this line is written once for each matrix; `$` stands for the suffix.
    const EACH: &str = "// Of each matrix, whose number stands for #:\n";
    let files: Vec<String> = (types(dtype).iter())
        .map(|file| file.replace('$', suffix))
        .collect();
    let parts = files
        .iter()
        .map(|file| file.split_once(EACH).unwrap_or((file, "")));
    text.extend(parts.clone().map(|(shared, _)| shared));
    let has_second = Layout::new(dtype, 1, 256).has_second();
    for (matrix, [first, second]) in matrices {
        binding(text, first, "read", &format!("w_{matrix}"), "vec4<u32>");
        if has_second {
            binding(text, second, "read", &format!("s_{matrix}"), "u32");
        }
        let number = matrix.to_string();
        text.extend(parts.clone().map(|(_, each)| each.replace('#', &number)));
    }
}

/// Begins the function of a kernel of so many subgroups.
pub(super) fn begin_main(text: &mut String, subgroups: u32) {
    put!(
        text,
        "@compute @workgroup_size(SUBGROUP_SIZE * {subgroups}u)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {{"
    );
}

/// Declares what a gate does to what it multiplies.
pub(super) fn gate(text: &mut String, activation: Activation) {
    text.push_str(include_str!("../../vector/math.wgsl"));
    let function = match activation {
        Activation::Silu => "silu",
        Activation::Gelu(Form::Tanh) => "gelu_tanh",
        Activation::Gelu(Form::Erf) => "gelu_erf",
    };
    line(
        text,
        format_args!("fn gated(gate: f32, up: f32) -> f32 {{ return {function}(gate) * up; }}"),
    );
}

pub(super) fn binding(text: &mut String, slot: u32, access: &str, name: &str, element: &str) {
    line(
        text,
        format_args!("@group(0) @binding({slot}) var<storage, {access}> {name}: array<{element}>;"),
    );
}

fn types(dtype: DType) -> &'static [&'static str] {
    macro_rules! files {
        ($($file:literal),*) => { &[$(include_str!(concat!("types/", $file, ".wgsl"))),*] };
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
