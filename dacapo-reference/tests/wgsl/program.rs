//! Whole programs.

use proptest::prelude::*;

use super::scope::{Sign, Tally, Type, Writer};
use super::tree::{Node, nodes};
use super::words::PARAMETERS;

/// Elements of the private array.
pub(super) const WORDS: u32 = 8;
/// Words of the output that belong to one invocation.
pub(super) const SLOTS: u32 = 16;
/// Rough floats that belong to one invocation.
pub(super) const ROUGH: u32 = 8;
/// Counters of a workgroup.
pub(super) const COUNTERS: u32 = 8;
/// What the totals of a dispatch are made with, and whether of i32.
pub(super) const TOTALS: [(bool, &str); 9] = [
    (false, "atomicAdd"),
    (false, "atomicMin"),
    (false, "atomicMax"),
    (false, "atomicAnd"),
    (false, "atomicOr"),
    (false, "atomicXor"),
    (true, "atomicAdd"),
    (true, "atomicMin"),
    (true, "atomicMax"),
];

/// A program as it was drawn; [`Program::text`] is what it says.
#[derive(Clone)]
pub(crate) struct Program {
    helpers: Vec<Vec<Node>>,
    sections: Vec<Node>,
    size: u32,
    groups: u32,
}

/// What a failure shows.
impl core::fmt::Debug for Program {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} workgroups of\n{}", self.groups, self.text())
    }
}

pub(crate) fn programs() -> impl Strategy<Value = Program> {
    let helpers = prop::collection::vec(prop::collection::vec(nodes(), 0..4), 0..3);
    let sections = prop::collection::vec(nodes(), 1..6);
    let sizes = prop::sample::select(vec![1, 4, 8, 24, 33, 64]);
    (helpers, sections, sizes, 1u32..5).prop_map(|(helpers, sections, size, groups)| Program {
        helpers,
        sections,
        size,
        groups,
    })
}

impl Program {
    /// What the buffers hold at first, by slot: input, output, rough floats, and both kinds of totals.
    pub(crate) fn buffers(&self) -> [Vec<u8>; 5] {
        let input = input().into_iter().flat_map(u32::to_le_bytes).collect();
        let per_invocation = |words: u32| vec![0; (self.size * self.groups * words * 4) as usize];
        let totals = || vec![0; 4 * TOTALS.len()];
        [
            input,
            per_invocation(SLOTS),
            per_invocation(ROUGH),
            totals(),
            totals(),
        ]
    }

    /// The slot of the rough floats.
    pub(crate) const ROUGH: usize = 2;

    pub(crate) fn groups(&self) -> [u32; 3] {
        [self.groups, 1, 1]
    }

    /// Of the one inline constant: twice as large as the number of rounds.
    pub(crate) const INLINE: u32 = 4;

    pub(crate) fn text(&self) -> String {
        let size = self.size;
        let mut text = format!(
            "struct Thing {{
    a: u32,
    b: vec3<i32>,
    c: array<u32, 4>,
    d: f32,
    e: mat2x2<f32>,
}}

@group(0) @binding(0) var<storage, read> input: array<u32, 64>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<storage, read_write> rough: array<f32>;
@group(0) @binding(3) var<storage, read_write> totals: array<atomic<u32>, {0}>;
@group(0) @binding(4) var<storage, read_write> signed_totals: array<atomic<i32>, {0}>;

var<immediate> twice_rounds: u32;

var<workgroup> shared_words: array<u32, {size}>;
var<workgroup> counters: array<atomic<u32>, {COUNTERS}>;

",
            TOTALS.len()
        );
        for (number, nodes) in self.helpers.iter().enumerate() {
            text += &helper(number, nodes, size);
        }
        text + &self.main()
    }

    fn main(&self) -> String {
        let mut writer = Writer::new(self.size, true);
        writer.helpers = self.helpers.len();
        let size = self.size;
        writer.line(&format!("@compute @workgroup_size({size})"));
        let head = "fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {";
        writer.block(head, "}", |inner| {
            inner.line(&format!("let base = id.x * {SLOTS}u;"));
            inner.line(&format!("let rough_base = id.x * {ROUGH}u;"));
            inner.prologue();
            // So that all slots are bound, whatever follows.
            inner.line("rough[rough_base] = 1.0;");
            inner.line("atomicOr(&totals[4], 1u);");
            inner.line("atomicMax(&signed_totals[8], -5i);");
            inner.line("shared_words[lane] = zero;");
            let head = format!("for (var at = lane; at < {COUNTERS}u; at += {size}u) {{");
            inner.block(&head, "}", |inner| {
                inner.line("atomicStore(&counters[at], 0u);")
            });
            inner.line("workgroupBarrier();");
            let (last, first) = self.sections.split_last().expect("at least one section");
            first.iter().for_each(|section| inner.section(section, 1));
            inner.epilogue();
            inner.returns = true;
            inner.statements(&last.kids);
            inner.epilogue();
        });
        writer.text
    }
}

/// Numbers of all sizes.
fn input() -> Vec<u32> {
    let scramble = |at: u32| {
        let x = (at + 1).wrapping_mul(0x9e37_79b9);
        (x ^ (x >> 15)).wrapping_mul(0x85eb_ca6b)
    };
    (0..64).map(scramble).map(|x| x >> (x % 29)).collect()
}

fn helper(number: usize, nodes: &[Node], size: u32) -> String {
    let mut writer = Writer::new(size, false);
    writer.helpers = number;
    let parameters: Vec<_> = PARAMETERS
        .iter()
        .map(|(name, ty)| format!("{name}: {}", ty.name()))
        .collect();
    let head = format!(
        "fn helper{number}({}, words: ptr<function, array<u32, {WORDS}>>, thing: ptr<function, Thing>) -> u32 {{",
        parameters.join(", ")
    );
    writer.block(&head, "}\n", |inner| {
        for (name, ty) in PARAMETERS {
            inner.names.push((name.to_owned(), ty, false));
        }
        inner.prologue();
        inner.statements(nodes);
        inner.line("return u0 ^ u32(i0) ^ vu.x;");
    });
    writer.text
}

impl Writer {
    fn new(size: u32, is_main: bool) -> Writer {
        let (words, thing, pointers) = match is_main {
            true => ("words", "thing", "&words, &thing"),
            false => ("(*words)", "(*thing)", "words, thing"),
        };
        Writer {
            text: String::new(),
            indent: 0,
            names: Vec::new(),
            words,
            thing,
            pointers,
            helpers: 0,
            calls: 3,
            loops: 0,
            max_loops: if is_main { 2 } else { 1 },
            is_main,
            size,
            shared: false,
            tally: Tally::No,
            returns: !is_main,
            fresh: 0,
        }
    }

    /// Declares the variables that all functions have.
    fn prologue(&mut self) {
        self.line("let zero = twice_rounds & 1u;");
        let start = if self.is_main { "lane" } else { "a" };
        let number = |name: &str, ty, value: &str| (name.to_owned(), ty, value.to_owned());
        let variables = [
            number(
                "u0",
                Type::Int(Sign::U, 1),
                &format!("input[{start} & 63u]"),
            ),
            number("u1", Type::Int(Sign::U, 1), start),
            number("i0", Type::Int(Sign::I, 1), &format!("5i - i32({start})")),
            number("f0", Type::Float(1), &format!("f32({start} & 127u) * 0.25")),
            number("b0", Type::Bool, &format!("({start} & 1u) == 0u")),
            number(
                "vu",
                Type::Int(Sign::U, 4),
                &format!("vec4<u32>({start}, 1u, 2u, 3u)"),
            ),
            number(
                "vi",
                Type::Int(Sign::I, 3),
                &format!("vec3<i32>(-1i, i32({start}), 7i)"),
            ),
            number(
                "vf",
                Type::Float(2),
                &format!("vec2<f32>(0.5, f32({start} & 15u))"),
            ),
        ];
        for (name, ty, value) in variables {
            self.line(&format!("var {name}: {} = {value};", ty.name()));
            self.names.push((name, ty, true));
        }
        self.line("var spare_words = array<u32, 8>(0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u);");
        let array = "array<u32, 4>(9u, 8u, 7u, 6u)";
        let matrix = "mat2x2<f32>(1.0, 2.0, 3.0, 4.0)";
        self.line(&format!(
            "var spare_thing = Thing(1u, vec3<i32>(2i), {array}, 1.5, {matrix});"
        ));
        if self.is_main {
            self.line("var words = spare_words;");
            self.line("var thing = spare_thing;");
        }
    }

    /// A part of the entry point that all invocations reach.
    fn section(&mut self, node: &Node, depth: u32) {
        match node.choose(4) {
            0 => self.statements(&node.kids),
            1 => {
                let value = self.int(node.kid(0), Sign::U, 1);
                self.line(&format!("shared_words[lane] = {value};"));
                self.line("workgroupBarrier();");
                self.shared = true;
                self.statements(node.kids.get(1..).unwrap_or_default());
                self.shared = false;
                self.line("workgroupBarrier();");
            }
            2 => {
                let (first, second) = node.kids.split_at(node.kids.len() / 2);
                self.tally = Tally::Count;
                self.statements(first);
                self.line("workgroupBarrier();");
                self.tally = Tally::Read;
                self.statements(second);
                self.line("workgroupBarrier();");
                self.tally = Tally::No;
            }
            _ => {
                let at = self.name();
                let rounds = ["twice_rounds / 2u", "2u"][node.detail(2) as usize];
                let head = format!("for (var {at} = 0u; {at} < {rounds}; {at}++) {{");
                self.block(&head, "}", |inner| {
                    inner.names.push((at, Type::Int(Sign::U, 1), false));
                    for kid in node.kids.iter().take(2) {
                        match depth {
                            0 => inner.statements(&kid.kids),
                            _ => inner.section(kid, depth - 1),
                        }
                    }
                });
            }
        }
    }

    /// Shows what variables hold.
    fn epilogue(&mut self) {
        let values = [
            "u0",
            "u1 + u32(b0)",
            "u32(i0)",
            "u32(i32(f0 * 4.0))",
            "(vu.x ^ vu.y) + (vu.z ^ vu.w)",
            "u32(dot(vi, vec3<i32>(1i, 3i, 5i)))",
            "u32(i32(vf.x * 4.0) + i32(vf.y * 256.0))",
            "words[0] + 3u * words[1] + 5u * words[2] + 7u * words[7]",
            "thing.a ^ thing.c[0] ^ thing.c[3] ^ u32(thing.b.z)",
            "u32(i32(thing.d * 4.0) + i32(thing.e[1].x * 256.0))",
        ];
        for (at, value) in values.into_iter().enumerate() {
            let slot = SLOTS as usize - values.len() + at;
            self.line(&format!("output[base + {slot}u] = {value};"));
        }
    }
}
