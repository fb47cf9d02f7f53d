//! What all functions of a kernel share while they are lowered.

use std::collections::HashMap;

use naga::valid::ModuleInfo;
use naga::{AddressSpace, BuiltIn, GlobalVariable, Handle, Module, Span, TypeInner};

use super::body::{Body, Place, Pointer, Value};
use super::constants::constant;
use super::op::{Function, List, Node, Op, Row, SiteId, TouchId};
use super::shape::{Pointee, scalars, unsupported};
use super::{Builtin, Parts, Program, Shared, Source, Tracked};
use crate::mask::MAX_LANES;
use crate::report::Access;

/// Numbers of all rows together: 256 MiB of them.
const MAX_NUMBERS: u32 = 1 << 26;

/// Statements of all functions together.
const MAX_NODES: usize = 1 << 20;

/// Blocks and calls inside each other.
const MAX_DEPTH: usize = 200;

pub(super) struct Lower<'a> {
    pub(super) module: &'a Module,
    pub(super) info: &'a ModuleInfo,
    pub(super) subgroup_size: u32,
    pub(super) finite: bool,
    /// Invocations of a workgroup.
    lanes: u32,
    pub(super) rows: u32,
    pub(super) nodes: usize,
    pub(super) depth: usize,
    pub(super) globals: HashMap<Handle<GlobalVariable>, Place>,
    pub(super) functions: Vec<Function>,
    pub(super) specialised: HashMap<super::calls::Key, super::calls::Lowered>,
    constants: HashMap<u32, Row>,
    by_row: HashMap<Row, u32>,
    builtins: Vec<(Builtin, Row)>,
    lists: Vec<Row>,
    sites: Vec<Span>,
    touches: Vec<(Span, Access)>,
    pub(super) tracked: Vec<Tracked>,
    pub(super) tracked_scalars: u32,
    text: &'a str,
}

pub(super) fn lower(source: &Source<'_>, id: u64) -> Result<Program, String> {
    let Source { module, info, .. } = *source;
    let size = source.subgroup_size;
    if !(size.is_power_of_two() && size <= 128) {
        return Err(format!(
            "subgroups of {size}; powers of two from 1 to 128 are allowed"
        ));
    }
    let Some(entry) = module.entry_points.get(source.entry) else {
        return Err(format!("no entry point {}", source.entry));
    };
    let workgroup = entry.workgroup_size;
    let lanes = workgroup.iter().map(|&n| u64::from(n)).product::<u64>();
    if lanes == 0 || lanes > MAX_LANES as u64 {
        return Err(format!(
            "a workgroup of {lanes} invocations; 1 to {MAX_LANES} are allowed"
        ));
    }
    let mut lower = Lower {
        module,
        info,
        subgroup_size: size,
        finite: source.finite,
        lanes: lanes as u32,
        rows: 0,
        nodes: 0,
        depth: 0,
        globals: HashMap::new(),
        functions: Vec::new(),
        specialised: HashMap::new(),
        constants: HashMap::new(),
        by_row: HashMap::new(),
        builtins: Vec::new(),
        lists: Vec::new(),
        sites: Vec::new(),
        touches: Vec::new(),
        tracked: Vec::new(),
        tracked_scalars: 0,
        text: source.text,
    };
    let mut slots = Vec::new();
    let mut shared = Vec::new();
    let mut words = 0u32;
    let mut privates = Vec::new();
    let uses = info.get_entry_point(source.entry);
    for (handle, global) in module.global_variables.iter() {
        if uses[handle].is_empty() {
            continue;
        }
        let name = global.name.clone().unwrap_or_default();
        let place = match global.space {
            AddressSpace::Storage { .. } => {
                slots.push(global.binding.map_or(0, |binding| binding.binding));
                Place::Storage(slots.len() as u32 - 1)
            }
            AddressSpace::Immediate => Place::Inline,
            AddressSpace::WorkGroup => {
                let first = words;
                words = words
                    .checked_add(scalars(module, global.ty)?)
                    .filter(|words| *words <= 1 << 22)
                    .ok_or("more than 16 MiB of workgroup memory")?;
                let parts = Parts::of(module, global.ty);
                shared.push(Shared { name, parts, first });
                Place::Workgroup(first)
            }
            AddressSpace::Private => {
                let count = scalars(module, global.ty)?;
                let first = lower.new_rows(count)?;
                let tracked = match global.init {
                    Some(_) => None,
                    None => Some(lower.track(name, Parts::of(module, global.ty), count)),
                };
                privates.push((first, count, tracked, global.init));
                Place::Private { first, tracked }
            }
            _ => return unsupported("a variable in this address space"),
        };
        lower.globals.insert(handle, place);
    }
    let mut init = Vec::new();
    for (first, count, tracked, value) in privates {
        let values = match value {
            Some(value) => constant(&mut lower, value)?,
            None => vec![lower.bits(0)?; count as usize],
        };
        for (at, src) in (first..).zip(values) {
            init.push(Node::Op(Op::Copy { dst: at, src }));
        }
        if let Some(first) = tracked {
            init.push(Node::Op(Op::Unmark { first, count }));
        }
    }
    let arguments = lower.arguments(&entry.function)?;
    let body = Body::new(
        &mut lower,
        &entry.function,
        uses,
        arguments,
        Vec::new(),
        init,
    )?;
    let body = body.lower()?;
    lower.functions.push(Function { body });
    Ok(Program {
        id,
        name: source.name.into(),
        text: source.text.into(),
        workgroup,
        subgroup_size: size,
        rows: lower.rows,
        constants: lower.by_row.into_iter().collect(),
        builtins: lower.builtins,
        entry: lower.functions.len() as u32 - 1,
        functions: lower.functions,
        lists: lower.lists,
        sites: lower.sites,
        touches: lower.touches,
        slots,
        workgroup_words: words,
        shared,
        tracked: lower.tracked,
        tracked_scalars: lower.tracked_scalars,
    })
}

impl Lower<'_> {
    /// `count` new rows that follow each other.
    pub(super) fn new_rows(&mut self, count: u32) -> Result<Row, String> {
        let first = self.rows;
        let end = first.checked_add(count);
        let limit = MAX_NUMBERS / self.lanes;
        self.rows = end.filter(|end| *end <= limit).ok_or_else(|| {
            format!(
                "its variables and expressions take more than {limit} numbers for each of {} invocations",
                self.lanes
            )
        })?;
        Ok(first)
    }

    /// A row that holds these bits.
    pub(super) fn bits(&mut self, bits: u32) -> Result<Row, String> {
        if let Some(row) = self.constants.get(&bits) {
            return Ok(*row);
        }
        let row = self.new_rows(1)?;
        self.constants.insert(bits, row);
        self.by_row.insert(row, bits);
        Ok(row)
    }

    /// The bits that a row always holds, if it does.
    pub(super) fn known(&self, row: Row) -> Option<u32> {
        self.by_row.get(&row).copied()
    }

    pub(super) fn list(&mut self, rows: &[Row]) -> List {
        let first = self.lists.len() as u32;
        self.lists.extend_from_slice(rows);
        List {
            first,
            len: rows.len() as u32,
        }
    }

    pub(super) fn site(&mut self, span: Span) -> SiteId {
        number(&mut self.sites, span)
    }

    pub(super) fn touch(&mut self, span: Span, access: Access) -> TouchId {
        number(&mut self.touches, (span, access))
    }

    /// Tracks who writes `count` scalars, from the one that is returned.
    pub(super) fn track(&mut self, name: String, parts: Parts, count: u32) -> u32 {
        let first = self.tracked_scalars;
        self.tracked_scalars += count;
        self.tracked.push(Tracked { name, parts, first });
        first
    }

    /// Counts a statement.
    pub(super) fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        match self.nodes > MAX_NODES {
            true => Err(format!("more than {MAX_NODES} operations")),
            false => Ok(()),
        }
    }

    /// Goes one block or call deeper.
    pub(super) fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(format!(
                "more than {MAX_DEPTH} blocks and calls inside each other"
            )),
            false => Ok(()),
        }
    }

    /// An error about a part of the text.
    pub(super) fn point(&self, span: Span, message: String) -> String {
        match span.is_defined() {
            true => {
                let place = span.location(self.text);
                format!("line {}: {message}", place.line_number)
            }
            false => message,
        }
    }

    /// What the entry point is told.
    fn arguments(&mut self, function: &naga::Function) -> Result<Vec<Value>, String> {
        let mut arguments = Vec::new();
        for argument in &function.arguments {
            let mut rows = Vec::new();
            match (&argument.binding, &self.module.types[argument.ty].inner) {
                (Some(naga::Binding::BuiltIn(builtin)), _) => self.builtin(*builtin, &mut rows)?,
                (None, TypeInner::Struct { members, .. }) => {
                    for member in members {
                        match member.binding {
                            Some(naga::Binding::BuiltIn(builtin)) => {
                                self.builtin(builtin, &mut rows)?;
                            }
                            _ => return unsupported("an argument that is not built in"),
                        }
                    }
                }
                _ => return unsupported("an argument that is not built in"),
            }
            arguments.push(Value::Rows(rows));
        }
        Ok(arguments)
    }

    fn builtin(&mut self, builtin: BuiltIn, rows: &mut Vec<Row>) -> Result<(), String> {
        let axes = |make: fn(u8) -> Builtin| (0..3).map(make).collect::<Vec<_>>();
        let parts = match builtin {
            BuiltIn::GlobalInvocationId => axes(Builtin::GlobalInvocationId),
            BuiltIn::LocalInvocationId => axes(Builtin::LocalInvocationId),
            BuiltIn::LocalInvocationIndex => vec![Builtin::LocalInvocationIndex],
            BuiltIn::WorkGroupId => axes(Builtin::WorkgroupId),
            BuiltIn::NumWorkGroups => axes(Builtin::NumWorkgroups),
            BuiltIn::NumSubgroups => vec![Builtin::NumSubgroups],
            BuiltIn::SubgroupId => vec![Builtin::SubgroupId],
            BuiltIn::SubgroupSize => vec![Builtin::SubgroupSize],
            BuiltIn::SubgroupInvocationId => vec![Builtin::SubgroupInvocationId],
            other => return unsupported(&format!("the built-in value {other:?}")),
        };
        for part in parts {
            let row = self.new_rows(1)?;
            self.builtins.push((part, row));
            rows.push(row);
        }
        Ok(())
    }
}

impl Place {
    /// A pointer to the whole variable.
    pub(super) fn whole(self, pointee: Pointee) -> Value {
        Value::Pointer(Pointer {
            place: self,
            pointee,
            at: None,
            offset: 0,
        })
    }
}

/// The number of a place, which is new unless it is one of the last.
fn number<T: PartialEq>(places: &mut Vec<T>, place: T) -> u32 {
    // What is lowered together comes from the same place.
    let near = places.len().saturating_sub(64);
    if let Some(at) = places[near..].iter().rposition(|known| *known == place) {
        return (near + at) as u32;
    }
    places.push(place);
    places.len() as u32 - 1
}
