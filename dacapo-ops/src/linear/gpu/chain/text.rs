//! The WGSL of a chain.
//!
//! A workgroup takes its share of each stage's blocks of rows. Between two stages it loads the weights that it multiplies
//! first in the next one, which depend on nobody, and then waits until all workgroups have arrived. What crosses
//! workgroups is in coherent memory: it is written and read past the caches that workgroups have to themselves.

use std::iter::repeat_n;

use super::super::matvec::MatVec;
use super::super::shader::{PARAMS, begin_main, binding, gate, weights};
use super::super::variant::{Job, Put, Variant, Way};
use super::slots::Slots;
use super::{Chain, FAILED, FIRST_MATRICES, NEXT, PARTS, Part};
use crate::dtype::DType;
use crate::linear::gpu::Layout;
use crate::text::put;

/// What each stage reads, and the number of its norm.
const INPUTS: [(&str, Option<usize>); 4] = [
    ("attended", None),
    ("hidden", Some(0)),
    ("activated", None),
    ("hidden", Some(1)),
];

/// Queries, keys and values: those of attention, and at last the next ones.
const ROWS: [&str; 3] = ["q", "k", "v"];

/// Joins the parts of attention that so many vectors of a thread are of, two at the same time.
fn join(text: &mut String, times: u32) {
    for at in 0..times {
        put!(
            text,
            "    let query_{at} = at_{at} / (HEAD_DIM / 4u);
    let vector_{at} = at_{at} % (HEAD_DIM / 4u);
    var joined_{at} = Joined(LOWEST, 0.0, vec4<f32>());"
        );
    }
    put!(
        text,
        "    for (var split = 0u; split < working; split += 2u) {{"
    );
    for at in 0..times {
        for (number, split) in ["split", "min(split + 1u, working - 1u)"]
            .iter()
            .enumerate()
        {
            put!(
                text,
                "        let first_{at}_{number} = first_vector(query_{at}, {split});
        let sum_{at}_{number} = parts[first_{at}_{number} + vector_{at}];
        let of_part_{at}_{number} = parts[first_{at}_{number} + PART - 1u];"
            );
        }
    }
    for at in 0..times {
        put!(
            text,
            "        joined_{at} = with_part(joined_{at}, sum_{at}_0, of_part_{at}_0);
        if split + 1u < working {{ joined_{at} = with_part(joined_{at}, sum_{at}_1, of_part_{at}_1); }}"
        );
    }
    put!(text, "    }}");
    for at in 0..times {
        put!(text, "    let x_{at} = mean_of(joined_{at});");
    }
}

/// What names that belong to a type end in.
fn suffix(dtype: DType) -> String {
    format!("_{}", dtype.name().to_lowercase())
}

impl Chain {
    pub(super) fn text(&self) -> String {
        let mut whole = String::new();
        let text = &mut whole;
        let variants: Vec<Variant> = (self.parts().enumerate())
            .map(|(at, part)| self.variant(at, part))
            .collect();
        let writers: Vec<MatVec<'_>> = (variants.iter().zip(FIRST_MATRICES))
            .map(|(variant, first)| MatVec::of_chain(variant, first, suffix(variant.dtype)))
            .collect();
        let slots = self.slots();
        self.declarations(text, &variants, &slots);
        self.bindings(text, &slots);
        begin_main(text, self.subgroups());
        if self.attention.is_some() {
            put!(
                text,
                "    params = all.attention;
    let working = parts_of(seen_from(positions[0]));
    for (var share = id.x; share < all.shares; share += groups.x) {{
        attend(share % params.splits, share / params.splits, subgroup, lane);
        workgroupBarrier();
    }}"
            );
        }
        // How often workgroups have met. What attention writes is waited for, too.
        let mut met = 0;
        for (at, (writer, part)) in writers.iter().zip(self.parts()).enumerate() {
            put!(text, "    p = all.part_{at};");
            if at > NEXT {
                // Of the same stage: those come first that had the fewest blocks of the part before.
                let blocks = writers[at - 1].blocks();
                put!(
                    text,
                    "    let first_{at} = (id.x + groups.x - {blocks} % groups.x) % groups.x;"
                );
                let first = format!("first_{at}");
                writer.begin_stage(text, &first);
                put!(text, "    {{");
                writer.stage(text, &first, true);
                put!(text, "    }}");
                continue;
            }
            writer.begin_stage(text, "id.x");
            if at > 0 || self.attention.is_some() {
                met += 1;
                put!(text, "    if !meet({met}u, groups.x, thread) {{ return; }}");
            }
            put!(text, "    {{");
            self.load(text, at, part.cols);
            writer.stage(text, "id.x", INPUTS[at].1.is_some());
            put!(text, "    }}");
        }
        put!(
            text,
            "    // The last one leaves the counter as it was.
    if thread == 0u && atomicAdd(&control[0], 1u) + 1u == {}u * groups.x {{
        atomicStore(&control[0], 0u);
    }}
}}",
            met + 1
        );
        whole
    }

    fn declarations(&self, text: &mut String, variants: &[Variant], slots: &Slots) {
        let widest = self.parts().map(|part| part.cols / 4).max().unwrap_or(1);
        let subgroups = self.subgroups();
        let partial = (variants.iter().zip(self.parts()))
            .map(|(variant, part)| subgroups * part.shape.rows * variant.job.abreast());
        let partial = partial.max().unwrap_or(1);
        match self.attention {
            Some(step) => {
                text.push_str(&step.text(&slots.step));
                text.push_str(include_str!("attended.wgsl"));
            }
            None => {
                text.push_str("override SUBGROUP_SIZE: u32;\n");
                text.push_str(include_str!("../../../vector/inverse_root.wgsl"));
            }
        }
        let attention = match self.attention {
            Some(_) => "shares: u32, attention: StepParams,",
            None => "",
        };
        let parts: String = (0..PARTS)
            .map(|at| format!("part_{at}: Params, "))
            .collect();
        put!(
            text,
            "{PARAMS}struct All {{
    {parts}most_polls: u32, {attention}
}}
var<immediate> all: All;
/// Of the part.
var<private> p: Params;
/// What the norm of the stage multiplies sums with.
var<private> scale: f32;
/// The activations of the stage, times the norm's weights.
var<workgroup> staged: array<vec4<f32>, {widest}>;
var<workgroup> squares_of: array<f32, {subgroups}>;
var<workgroup> partial: array<f32, {partial}>;
var<workgroup> all_there: u32;
fn x4(token: u32, k4: u32) -> vec4<f32> {{ return staged[k4]; }}"
        );
        gate(text, self.activation);
        let types = variants.iter();
        let types = types.flat_map(|variant| repeat_n(variant.dtype, variant.matrices()));
        let types: Vec<DType> = types.collect();
        let planes = slots.planes(types.iter().copied());
        for dtype in self.types() {
            let matrices = (0..).zip(planes.iter().copied()).zip(&types);
            let matrices = matrices.filter(|(_, of)| **of == dtype);
            weights(
                text,
                dtype,
                &suffix(dtype),
                matrices.map(|(matrix, _)| matrix),
            );
        }
        text.push_str(include_str!("meet.wgsl"));
    }

    fn bindings(&self, text: &mut String, slots: &Slots) {
        let mut coherent = |slot: u32, name: &str, element: &str| {
            put!(
                text,
                "@group(0) @binding({slot}) @coherent var<storage, read_write> {name}: array<{element}>;"
            );
        };
        if self.attention.is_some() {
            coherent(slots.step.scratch(), "parts", "vec4<f32>");
        }
        coherent(slots.hidden, "hidden", "vec4<f32>");
        coherent(slots.activated, "activated", "vec4<f32>");
        coherent(slots.control, "control", "atomic<u32>");
        put!(text, "const FAILED: u32 = {FAILED}u;");
        if self.attention.is_none() {
            binding(text, slots.attended, "read", "attended", "vec4<f32>");
        }
        let has_next = self.has_next();
        let norms = if has_next { 2 } else { 1 };
        for (at, slot) in slots.norms.into_iter().enumerate().take(norms) {
            binding(text, slot, "read", &format!("norm_{at}"), "vec4<f32>");
        }
        for (matrix, name) in [(0, "hidden"), (1, "activated"), (3, "hidden")] {
            put!(
                text,
                "fn put_{matrix}(token: u32, row: u32, value: f32) {{ {name}[row / 4u][row % 4u] = value; }}
fn before_{matrix}(token: u32, row: u32) -> f32 {{ return {name}[row / 4u][row % 4u]; }}"
            );
        }
        if self.attention.is_none() && !has_next {
            return;
        }
        let access = if has_next { "read_write" } else { "read" };
        let rows = slots.rows.into_iter().zip(slots.biases).zip(ROWS);
        for (matrix, ((slot, bias), name)) in (FIRST_MATRICES[NEXT]..).zip(rows) {
            binding(text, slot, access, name, "f32");
            let sum = match self.biases {
                true => {
                    binding(text, bias, "read", &format!("bias_{name}"), "f32");
                    format!("value + bias_{name}[row]")
                }
                false => "value".to_owned(),
            };
            if has_next {
                put!(
                    text,
                    "fn put_{matrix}(token: u32, row: u32, value: f32) {{ {name}[row] = {sum}; }}"
                );
            }
        }
    }

    /// Puts the activations of a stage into workgroup memory, all loads at once.
    fn load(&self, text: &mut String, stage: usize, cols: u32) {
        let (input, norm) = INPUTS[stage];
        let threads = self.subgroups() * self.lanes;
        let fours = cols / 4;
        let times = fours.div_ceil(threads);
        let joins = stage == 0 && self.attention.is_some();
        for at in 0..times {
            let (first, last) = (at * threads, fours - 1);
            put!(text, "    let at_{at} = min(thread + {first}u, {last}u);");
            if !joins {
                put!(text, "    let x_{at} = {input}[at_{at}];");
            }
            if let Some(norm) = norm {
                put!(text, "    let weight_{at} = norm_{norm}[at_{at}];");
            }
        }
        if joins {
            join(text, times);
        }
        if norm.is_none() {
            for at in 0..times {
                put!(text, "    staged[at_{at}] = x_{at};");
            }
            put!(text, "    workgroupBarrier();");
            return;
        }
        put!(text, "    var squares = 0.0;");
        for at in 0..times {
            let first = at * threads;
            put!(
                text,
                "    squares += select(0.0, dot(x_{at}, x_{at}), thread + {first}u < {fours}u);
    staged[at_{at}] = x_{at} * weight_{at};"
            );
        }
        put!(
            text,
            "    let of_subgroup = subgroupAdd(squares);
    if lane == 0u {{ squares_of[subgroup] = of_subgroup; }}
    workgroupBarrier();
    var sum_of_squares = 0.0;
    for (var i = 0u; i < {}u; i++) {{ sum_of_squares += squares_of[i]; }}
    scale = inverse_root(sum_of_squares / f32(p.cols) + p.eps);",
            self.subgroups()
        );
    }

    fn subgroups(&self) -> u32 {
        self.parts().next().map_or(1, |part| part.shape.subgroups)
    }

    /// A part as products of their own would be.
    fn variant(&self, at: usize, part: &Part) -> Variant {
        let plain = Some(Put::Plain);
        let shape = part.shape;
        let units = Layout::new(part.dtype, 1, part.cols as usize).units();
        let all = self.parts().count();
        Variant {
            dtype: part.dtype,
            odd: false,
            norm: false,
            way: Way::MatVec(shape),
            job: match at {
                0 | 2 => Job::Each([Some(Put::Add), None, None]),
                1 => Job::Gated(self.activation),
                NEXT if all == PARTS => Job::Each([plain, plain, None]),
                NEXT => Job::Each([plain; 3]),
                _ => Job::Each([plain, None, None]),
            },
            part: false,
            turns: shape.turns(units, self.lanes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::compile;
    use super::super::super::variant::Shape;
    use super::*;
    use crate::linear::Activation;

    /// Every type with every other one, three stages and four, in subgroups of any size.
    #[test]
    fn every_chain_compiles() {
        for (at, first) in DType::WEIGHTS.into_iter().enumerate() {
            for second in DType::WEIGHTS.into_iter().skip(at) {
                for (parts, lanes) in [(3, 32), (4, 4), (5, 32)] {
                    let types = [first, second, first, second, first];
                    let parts = [0, 1, 2, 3, 4].map(|part| {
                        (part < parts).then_some(Part {
                            dtype: types[part],
                            cols: 2048,
                            shape: Shape {
                                subgroups: 8,
                                ..Shape::of_token(1 + part as u32 % 2, 1, 2)
                            },
                        })
                    });
                    let chain = Chain {
                        attention: None,
                        activation: Activation::Silu,
                        biases: parts[4].is_some(),
                        parts,
                        lanes,
                    };
                    let text = chain.text();
                    if let Err(error) = compile(&text, lanes) {
                        panic!("{chain:?}: {error}\n{text}");
                    }
                }
            }
        }
    }
}
