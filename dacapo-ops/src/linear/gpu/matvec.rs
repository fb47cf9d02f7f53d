//! The WGSL of few tokens: the lanes of a subgroup go along its rows, and add up what they have in the end. Everything
//! whose number is known is written out, so that it stays in registers.

use super::shader::{begin_main, binding, gate};
use super::variant::{FOUND, Job, Put, SLOTS, Shape, Variant, Way};
use crate::text::put;

/// Writes a kernel.
pub(super) struct MatVec<'v> {
    variant: &'v Variant,
    shape: Shape,
    /// Matrices that a subgroup goes along at the same time.
    abreast: u32,
    /// Whether it is a stage of a chain, whose workgroups go on to other blocks of rows and to other stages.
    chained: bool,
    /// The number of its first matrix in the chain.
    base: u32,
    /// What names that belong to its type end in.
    suffix: String,
}

impl<'v> MatVec<'v> {
    pub(super) fn new(variant: &'v Variant, shape: Shape) -> Self {
        MatVec {
            variant,
            shape,
            abreast: variant.job.abreast(),
            base: 0,
            suffix: String::new(),
            chained: false,
        }
    }

    /// That of a part of a chain whose matrices have numbers from `base` on, and whose type has names that end in `suffix`.
    pub(super) fn of_chain(variant: &'v Variant, base: u32, suffix: String) -> Self {
        let Way::MatVec(shape) = variant.way else {
            unreachable!("a chain is of products of few tokens");
        };
        MatVec {
            base,
            suffix,
            chained: true,
            ..MatVec::new(variant, shape)
        }
    }

    /// The name of the number of blocks of rows, once [`MatVec::begin_stage`] has declared it.
    pub(super) fn blocks(&self) -> String {
        format!("blocks_{}", self.base)
    }

    /// How many blocks of rows a part of a chain has, and the loads of what the workgroup multiplies first, beginning with
    /// the block `first`.
    pub(super) fn begin_stage(&self, text: &mut String, first: &str) {
        let (base, height) = (self.base, self.shape.height());
        let blocks: Vec<String> = (0..self.alternatives())
            .map(|matrix| format!("(p.rows_{matrix} + {}u) / {height}u", height - 1))
            .collect();
        put!(text, "    let {} = {};", self.blocks(), blocks.join(" + "));
        if self.variant.turns.is_none() {
            return;
        }
        for (at, abreast, row) in self.units(self.shape.unroll) {
            put!(
                text,
                "    var ahead_{base}_{abreast}_{row}_{at} = Unit{}();",
                self.suffix
            );
        }
        self.load_ahead(text, first);
    }

    /// Goes through the workgroup's blocks of a part, the first of which is `first`; sums are scaled if it is `normed`.
    pub(super) fn stage(&self, text: &mut String, first: &str, normed: bool) {
        put!(
            text,
            "    let token0 = 0u;
    for (var at = {first}; at < {}; at += groups.x) {{
    var block = at;",
            self.blocks()
        );
        self.sums_of_block(text);
        // What the next block multiplies first is on its way while sums go round.
        self.load_ahead(text, "at + groups.x");
        self.join_lanes(text, true);
        if normed {
            for sum in self.sums() {
                put!(text, "    {sum} *= scale;");
            }
        }
        self.store(text);
        put!(text, "    }}");
    }

    /// Loads the units that a block multiplies first, if there is such a block.
    fn load_ahead(&self, text: &mut String, block: &str) {
        if self.variant.turns.is_none() {
            return;
        }
        let base = self.base;
        put!(
            text,
            "    if {block} < {} {{\n    var block = {block};",
            self.blocks()
        );
        self.rows_of_block(text);
        put!(text, "    let unit = start;");
        self.for_each_matrix(text, |text, matrix| {
            for (at, abreast, row) in self.units(self.shape.unroll) {
                put!(
                    text,
                    "        ahead_{base}_{abreast}_{row}_{at} = load_unit_{}(row{row}, unit + {at}u * step, units);",
                    base + matrix + abreast
                );
            }
        });
        put!(text, "    }}");
    }

    /// The sums of `block`, of which lanes have their share.
    fn sums_of_block(&self, text: &mut String) {
        self.rows_of_block(text);
        for sum in self.sums() {
            put!(text, "    var {sum} = 0.0;");
        }
        if self.variant.norm {
            for token in 0..self.shape.tokens {
                put!(text, "    var squares{token} = vec4<f32>();");
            }
        }
        self.load_addends(text);
        self.for_each_matrix(text, |text, matrix| self.products(text, matrix));
    }

    /// Which rows of which matrix a subgroup has of `block`, and where its lanes begin.
    fn rows_of_block(&self, text: &mut String) {
        let Shape {
            rows,
            subgroups,
            split,
            ..
        } = self.shape;
        put!(
            text,
            "    let units = p.units;
    let step = SUBGROUP_SIZE * {split}u;
    let start = (subgroup % {split}u) * SUBGROUP_SIZE + lane;"
        );
        self.matrix_of_block(text);
        put!(
            text,
            "    let first = (block * {}u + subgroup / {split}u) * {rows}u;
    let end = select(units, 0u, first >= rows);",
            subgroups / split
        );
        for row in 0..rows {
            put!(text, "    let row{row} = min(first + {row}u, rows - 1u);");
        }
    }

    /// Writes something for the matrix that the workgroup has.
    fn for_each_matrix(&self, text: &mut String, write: impl Fn(&mut String, u32)) {
        match self.alternatives() {
            1 => write(text, 0),
            count => {
                for matrix in 0..count {
                    put!(text, "    if matrix == {matrix}u {{");
                    write(text, matrix);
                    put!(text, "    }}");
                }
            }
        }
    }

    /// The units of one turn: which of a lane's, along which of the matrices abreast, of which row.
    fn units(&self, count: u32) -> impl Iterator<Item = (u32, u32, u32)> + use<> {
        let (rows, abreast) = (self.shape.rows, self.abreast);
        (0..count).flat_map(move |at| {
            (0..abreast).flat_map(move |matrix| (0..rows).map(move |row| (at, matrix, row)))
        })
    }

    pub(super) fn write(&self, text: &mut String) {
        let Shape {
            subgroups, tokens, ..
        } = self.shape;
        let height = self.shape.height();
        self.declarations(text);
        begin_main(text, subgroups);
        put!(text, "    var block = id.y * groups.x + id.x;");
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
        self.sums_of_block(text);
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
            Job::Gated(activation) => gate(text, activation),
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
        let unroll = self.shape.unroll;
        put!(text, "    var unit = start;");
        if let Some(turns) = self.variant.turns {
            let ahead = u32::from(self.chained);
            if self.chained {
                put!(text, "    {{");
                self.multiply(text, unroll, |text, (at, abreast, row)| {
                    put!(
                        text,
                        "        let w{abreast}_{row}_{at} = ahead_{}_{abreast}_{row}_{at};",
                        self.base
                    );
                });
            }
            // Those beyond the last row read it again.
            put!(
                text,
                "    for (var turn = {ahead}u; turn < {turns}u; turn++) {{"
            );
            self.turn(text, matrix, unroll);
            return;
        }
        if unroll > 1 {
            put!(text, "    while unit + {}u * step < end {{", unroll - 1);
            self.turn(text, matrix, unroll);
        }
        put!(text, "    while unit < end {{");
        self.turn(text, matrix, 1);
    }

    /// Loads so many units of each row, and multiplies them.
    fn turn(&self, text: &mut String, matrix: u32, count: u32) {
        self.multiply(text, count, |text, (at, abreast, row)| {
            put!(
                text,
                "        let w{abreast}_{row}_{at} = load_unit_{}(row{row}, unit + {at}u * step, units);",
                self.base + matrix + abreast
            );
        });
    }

    /// Multiplies so many units of each row, which `weights` declares, and goes on.
    fn multiply(
        &self,
        text: &mut String,
        count: u32,
        weights: impl Fn(&mut String, (u32, u32, u32)),
    ) {
        for unit in self.units(count) {
            weights(text, unit);
        }
        let tokens = self.shape.tokens;
        for (at, token) in (0..count).flat_map(|at| (0..tokens).map(move |token| (at, token))) {
            if self.variant.norm {
                put!(text, "        squares = squares{token};");
            }
            put!(
                text,
                "        let x{token}_{at} = load_input{}(token{token}, unit + {at}u * step);",
                self.suffix
            );
            if self.variant.norm {
                put!(text, "        squares{token} = squares;");
            }
            for (_, abreast, row) in self.units(1) {
                put!(
                    text,
                    "        sum{abreast}_{row}_{token} += unit_dot{}(w{abreast}_{row}_{at}, x{token}_{at});",
                    self.suffix
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

    /// Loads what the sums are added to, long before it is needed, where they will be stored.
    fn load_addends(&self, text: &mut String) {
        let Job::Each(puts) = self.variant.job else {
            return;
        };
        if !puts.contains(&Some(Put::Add)) {
            return;
        }
        for (row, token) in self.each() {
            put!(text, "    var before_{row}_{token} = 0.0;");
        }
        for (matrix, _) in (0..).zip(puts).filter(|(_, put)| *put == Some(Put::Add)) {
            for (row, token) in self.each() {
                let stores = self.stores(matrix, row, token);
                put!(
                    text,
                    "    if {stores} {{ before_{row}_{token} = before_{0}({token}u, first + {row}u); }}",
                    self.base + matrix
                );
            }
        }
    }

    /// Whether a lane stores this sum: different lanes have different ones.
    fn stores(&self, matrix: u32, row: u32, token: u32) -> String {
        let which = match self.alternatives() {
            1 => String::new(),
            _ => format!("matrix == {matrix}u && "),
        };
        let lane = row * self.shape.tokens + token;
        let which = match self.chained {
            true => format!("subgroup % {}u == 0u && {which}", self.shape.split),
            false => which,
        };
        format!(
            "{which}lane == {lane}u % SUBGROUP_SIZE && first + {row}u < rows && {token}u < p.tokens"
        )
    }

    fn store(&self, text: &mut String) {
        for matrix in 0..self.alternatives() {
            let adds = match self.variant.job {
                Job::Each(puts) => puts[matrix as usize] == Some(Put::Add),
                Job::Gated(_) | Job::Argmax => false,
            };
            for (row, token) in self.each() {
                let sum = format!("sum0_{row}_{token}");
                let value = match self.abreast {
                    1 if adds => format!("before_{row}_{token} + {sum}"),
                    1 => sum,
                    _ => format!("gated({sum}, sum1_{row}_{token})"),
                };
                let stores = self.stores(matrix, row, token);
                put!(
                    text,
                    "    if {stores} {{ put_{0}({token}u, first + {row}u, {value}); }}",
                    self.base + matrix
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
