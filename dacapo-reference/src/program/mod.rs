//! From naga's IR to operations on rows.

mod body;
mod calls;
mod constants;
mod convert;
mod expression;
mod lower;
mod math;
mod memory;
pub(crate) mod op;
mod operator;
mod path;
mod product;
mod shape;
mod site;
mod statement;
mod subgroup;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use naga::Span;

use crate::report::{Access, Site};
use op::{Function, Row, SiteId, TouchId};
pub(crate) use path::Parts;

/// What a program is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The kernel's name, for reports.
    pub name: &'a str,
    /// The WGSL that the module was parsed from.
    pub text: &'a str,
    /// The module, validated, without overrides.
    pub module: &'a naga::Module,
    /// What the validation found out.
    pub info: &'a naga::valid::ModuleInfo,
    /// Which of its entry points, a compute shader.
    pub entry: usize,
    /// Invocations of a subgroup: a power of two from 1 to 128.
    pub subgroup_size: u32,
    /// Whether results are watched for the first NaN or infinity.
    pub finite: bool,
}

/// A kernel ready to run.
#[derive(Debug)]
pub struct Program {
    /// Different for each program of this process.
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    text: Arc<str>,
    pub(crate) workgroup: [u32; 3],
    pub(crate) subgroup_size: u32,
    /// Rows that a frame has.
    pub(crate) rows: u32,
    /// Rows that always hold the same bits in all lanes.
    pub(crate) constants: Vec<(Row, u32)>,
    pub(crate) builtins: Vec<(Builtin, Row)>,
    pub(crate) functions: Vec<Function>,
    pub(crate) entry: u32,
    /// Rows that operations name together.
    pub(crate) lists: Vec<Row>,
    sites: Vec<Span>,
    touches: Vec<(Span, Access)>,
    /// The slots of the storage buffers, in the order in which operations number them.
    pub(crate) slots: Vec<u32>,
    /// Words of workgroup memory.
    pub(crate) workgroup_words: u32,
    /// Variables in workgroup memory, by their first word.
    pub(crate) shared: Vec<Shared>,
    /// Scalars of variables of which it is tracked who has written them.
    pub(crate) tracked: Vec<Tracked>,
    pub(crate) tracked_scalars: u32,
}

/// A variable in workgroup memory.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) parts: Parts,
    pub(crate) first: u32,
}

/// A variable of each invocation that is declared without a value.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) name: String,
    pub(crate) parts: Parts,
    pub(crate) first: u32,
}

/// What an entry point is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    GlobalInvocationId(u8),
    LocalInvocationId(u8),
    LocalInvocationIndex,
    WorkgroupId(u8),
    NumWorkgroups(u8),
    NumSubgroups,
    SubgroupId,
    SubgroupSize,
    SubgroupInvocationId,
}

impl Program {
    /// Makes a kernel ready.
    ///
    /// # Errors
    /// What the kernel uses that cannot be run, with its place in the text.
    pub fn new(source: &Source<'_>) -> Result<Program, String> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        lower::lower(source, id)
    }

    /// The kernel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Invocations of a workgroup.
    pub(crate) fn lanes(&self) -> usize {
        self.workgroup.iter().product::<u32>() as usize
    }

    /// Past the last word of the variable in workgroup memory that begins at `first`.
    pub(crate) fn end_of_shared(&self, first: u32) -> u32 {
        let next = self.shared.iter().find(|variable| variable.first > first);
        next.map_or(self.workgroup_words, |variable| variable.first)
    }

    /// What is at this word of workgroup memory.
    pub(crate) fn shared_name(&self, word: u32) -> String {
        let at = self.shared.partition_point(|it| it.first <= word);
        match at.checked_sub(1).and_then(|at| self.shared.get(at)) {
            Some(it) => format!("{}{}", it.name, it.parts.path(word - it.first)),
            None => String::new(),
        }
    }

    /// What this tracked scalar is.
    pub(crate) fn tracked_name(&self, scalar: u32) -> String {
        let at = self.tracked.partition_point(|it| it.first <= scalar);
        match at.checked_sub(1).and_then(|at| self.tracked.get(at)) {
            Some(it) => format!("{}{}", it.name, it.parts.path(scalar - it.first)),
            None => String::new(),
        }
    }

    pub(crate) fn site(&self, site: SiteId) -> Option<Site> {
        let span = self.sites.get(site as usize)?;
        Site::of(&self.text, span.to_range()?)
    }

    pub(crate) fn touch(&self, touch: TouchId) -> Option<Site> {
        let (span, _) = self.touches.get(touch as usize)?;
        Site::of(&self.text, span.to_range()?)
    }

    /// What is done at an access of memory.
    pub(crate) fn access(&self, touch: TouchId) -> Option<Access> {
        self.touches.get(touch as usize).map(|(_, access)| *access)
    }
}
