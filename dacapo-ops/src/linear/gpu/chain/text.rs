//! The WGSL of a chain.
//!
//! A workgroup takes its share of each stage's blocks of rows. Between two stages it loads the weights that it multiplies
//! first in the next one, which depend on nobody, and then waits until all workgroups have arrived. What crosses
//! workgroups is in coherent memory: it is written and read past the caches that workgroups have to themselves.

use super::super::matvec::MatVec;
use super::super::shader::{PARAMS, begin_main, binding, gate, put, weights};
use super::super::variant::{Job, Put, Variant, Way};
use super::{
    ACTIVATED, ATTENDED, CONTROL, Chain, FAILED, FIRST_MATRICES, HIDDEN, MATRICES, NORMS, OUTS,
    STEP,
};
use crate::linear::gpu::Layout;

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

impl Chain {
    pub(super) fn text(&self) -> String {
        let mut whole = String::new();
        let text = &mut whole;
        let variants: Vec<Variant> = (0..self.stages).map(|at| self.variant(at)).collect();
        let writers: Vec<MatVec<'_>> = (variants.iter().zip(FIRST_MATRICES))
            .map(|(variant, first)| MatVec::of_chain(variant, first))
            .collect();
        self.declarations(text, &variants);
        self.bindings(text);
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
        // What attention writes is waited for, too.
        let steps = u32::from(self.attention.is_some());
        for (at, writer) in writers.iter().enumerate() {
            put!(text, "    p = all.stage_{at};");
            writer.begin_stage(text);
            let step = at as u32 + steps;
            if step > 0 {
                put!(
                    text,
                    "    if !meet({step}u, groups.x, thread) {{ return; }}"
                );
            }
            put!(text, "    {{");
            self.load(text, at);
            writer.stage(text, INPUTS[at].1.is_some());
            put!(text, "    }}");
        }
        put!(
            text,
            "    // The last one leaves the counter as it was.
    if thread == 0u && atomicAdd(&control[0], 1u) + 1u == {}u * groups.x {{
        atomicStore(&control[0], 0u);
    }}
}}",
            self.stages as u32 + steps
        );
        whole
    }

    fn declarations(&self, text: &mut String, variants: &[Variant]) {
        let widest = self.cols.iter().max().map_or(4, |cols| cols / 4);
        let subgroups = self.subgroups();
        let sums = variants.iter().zip(&self.shapes);
        let partial = sums.map(|(variant, shape)| subgroups * shape.rows * variant.job.abreast());
        let partial = partial.max().unwrap_or(1);
        match self.attention {
            Some(step) => {
                text.push_str(&step.text(&STEP));
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
        put!(
            text,
            "{PARAMS}struct All {{
    stage_0: Params, stage_1: Params, stage_2: Params, stage_3: Params, most_polls: u32, {attention}
}}
var<immediate> all: All;
/// Of the stage.
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
        // One plane each: the second slot is never bound.
        weights(text, self.dtype, (0..self.matrices()).map(|slot| [slot; 2]));
        text.push_str(include_str!("meet.wgsl"));
    }

    fn bindings(&self, text: &mut String) {
        let mut coherent = |slot: u32, name: &str, element: &str| {
            put!(
                text,
                "@group(0) @binding({slot}) @coherent var<storage, read_write> {name}: array<{element}>;"
            );
        };
        if self.attention.is_some() {
            coherent(STEP.scratch(), "parts", "vec4<f32>");
        }
        coherent(HIDDEN, "hidden", "vec4<f32>");
        coherent(ACTIVATED, "activated", "vec4<f32>");
        coherent(CONTROL, "control", "atomic<u32>");
        put!(text, "const FAILED: u32 = {FAILED}u;");
        if self.attention.is_none() {
            binding(text, ATTENDED, "read", "attended", "vec4<f32>");
        }
        for (at, slot) in NORMS.iter().enumerate().take(self.stages - 2) {
            binding(text, *slot, "read", &format!("norm_{at}"), "vec4<f32>");
        }
        for (matrix, name) in [(0, "hidden"), (1, "activated"), (3, "hidden")] {
            put!(
                text,
                "fn put_{matrix}(token: u32, row: u32, value: f32) {{ {name}[row / 4u][row % 4u] = value; }}
fn before_{matrix}(token: u32, row: u32) -> f32 {{ return {name}[row / 4u][row % 4u]; }}"
            );
        }
        let has_next = self.matrices() > FIRST_MATRICES[3];
        if self.attention.is_none() && !has_next {
            return;
        }
        let access = if has_next { "read_write" } else { "read" };
        for (matrix, (slot, name)) in (FIRST_MATRICES[3]..).zip(OUTS.into_iter().zip(ROWS)) {
            binding(text, slot, access, name, "f32");
            if has_next {
                put!(
                    text,
                    "fn put_{matrix}(token: u32, row: u32, value: f32) {{ {name}[row] = value; }}"
                );
            }
        }
    }

    /// Puts the activations of a stage into workgroup memory, all loads at once.
    fn load(&self, text: &mut String, stage: usize) {
        let (input, norm) = INPUTS[stage];
        let threads = self.subgroups() * self.lanes;
        let fours = self.cols[stage] / 4;
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
        self.shapes[0].subgroups
    }

    fn matrices(&self) -> u32 {
        match self.stages {
            4 => MATRICES,
            _ => FIRST_MATRICES[3],
        }
    }

    /// A stage as a product of its own would be.
    fn variant(&self, stage: usize) -> Variant {
        let plain = Some(Put::Plain);
        let shape = self.shapes[stage];
        let units = Layout::new(self.dtype, 1, self.cols[stage] as usize).units();
        Variant {
            dtype: self.dtype,
            odd: false,
            norm: false,
            way: Way::MatVec(shape),
            job: match stage {
                0 | 2 => Job::Each([Some(Put::Add), None, None]),
                1 => Job::Gated(self.activation),
                _ => Job::Each([plain; 3]),
            },
            part: false,
            turns: shape.turns(units, self.lanes),
        }
    }
}
