//! Random patches, and what they do to a program.

use dacapo::{BufferView, Grid, Patch};
use proptest::prelude::*;

use super::oracle::{Dispatch, Touch};
use super::play::{Run, is_builtin};
use super::random::refused;
use super::{
    CHUNK, Call, DATA_BYTES, DATA_SPACES, Detour, GRID_SPACE, GRIDS, Kind, Op, Size, Span,
};

/// Numbers of which changes are made that fit the program.
#[derive(Clone, Debug)]
pub struct RawChange {
    node: usize,
    what: usize,
    slot: usize,
    space: usize,
    start: usize,
    value: u32,
}

/// Changes that are made in one patch, several times.
pub fn patches() -> impl Strategy<Value = Vec<Vec<RawChange>>> {
    let start = prop_oneof![3 => (0..10usize).prop_map(|at| at * 16), 1 => 0..160usize];
    let raw = (
        0..48usize,
        0..6usize,
        0..3usize,
        0..4usize,
        start,
        any::<u32>(),
    );
    let change = raw.prop_map(|(node, what, slot, space, start, value)| RawChange {
        node,
        what,
        slot,
        space,
        start,
        value,
    });
    let patch = proptest::collection::vec(change, 1..4);
    proptest::collection::vec(patch, 1..6)
}

/// A change of one dispatch.
#[derive(Clone, Debug)]
pub enum Change {
    Inline(u32),
    Rebind(usize, Span),
    Size(Size),
}

impl RawChange {
    /// What the numbers mean for this program, and for which of its dispatches; `None` if nothing.
    pub fn resolve(&self, program: &[Op]) -> Option<(usize, Change)> {
        let at = self.node % program.len();
        let change = match (&program[at], self.what) {
            (Op::Allocate { .. }, _) => Change::Inline(self.value),
            (Op::Call(call), 0) if call.kind != Kind::Copy => Change::Inline(self.value),
            (Op::Call(call), 1) if !is_builtin(call.kind) => Change::Size(match self.value % 3 {
                0 => Size::Groups(1 + (self.value >> 8) % 6),
                1 => Size::Indirect((self.value >> 8) as usize % GRIDS),
                _ => Size::Threads,
            }),
            (Op::Call(call), 2..) => {
                let slot = self.slot % call.args.len();
                Change::Rebind(slot, self.span(&call.args[slot])?)
            }
            _ => return None,
        };
        Some((at, change))
    }

    /// Other bytes, as many as `old`.
    fn span(&self, old: &Span) -> Option<Span> {
        let len = old.bytes.len();
        let (space, start) = match old.space {
            GRID_SPACE => (GRID_SPACE, self.start % GRIDS * 12),
            _ if len > DATA_BYTES => return None,
            _ => (
                self.space % DATA_SPACES,
                self.start % (DATA_BYTES - len + 1),
            ),
        };
        Some(Span {
            space,
            bytes: start..start + len,
            detour: Detour::Straight,
        })
    }
}

impl Change {
    /// Changes the program.
    pub fn apply(&self, op: &mut Op, touches: &mut Dispatch, run: &Run<'_>) {
        let call = match op {
            Op::Allocate { fill, .. } => {
                if let Change::Inline(value) = self {
                    *fill = *value as u8;
                }
                return;
            }
            Op::Call(call) => call,
            other => unreachable!("{other:?} is no dispatch"),
        };
        match self {
            Change::Inline(value) => call.seed = *value,
            Change::Rebind(slot, span) => {
                call.args[*slot] = span.clone();
                touches.touches[*slot] = Touch::new(&run.plain(span), call.kind.uses()[*slot]);
            }
            Change::Size(size) => {
                touches.touches.truncate(call.args.len());
                if let Size::Indirect(place) = size {
                    let grid = Touch::new(&run.grid(*place), (true, false));
                    touches.touches.push(grid);
                }
                call.size = size.clone();
            }
        }
    }

    /// Makes the same change of a node.
    pub fn patch(
        &self,
        op: &Op,
        node: usize,
        run: &Run<'_>,
        patch: &mut Patch<'_>,
    ) -> dacapo::Result<()> {
        match self {
            Change::Inline(value) => patch.set_inline(node, &value.to_ne_bytes()),
            Change::Rebind(slot, span) => patch.rebind(node, *slot as u32, &run.plain(span)),
            Change::Size(size) => {
                let indirect: BufferView;
                let grid = match size {
                    Size::Groups(groups) => Grid::groups([*groups, 1, 1]),
                    Size::Threads => Grid::threads([longest(op), 1, 1]),
                    Size::Indirect(place) => {
                        indirect = run.grid(*place);
                        Grid::indirect(&indirect)
                    }
                };
                patch.set_grid(node, grid)
            }
        }
    }
}

/// Threads of a dispatch of all its outputs.
fn longest(op: &Op) -> u32 {
    let Op::Call(call) = op else {
        return CHUNK as u32;
    };
    let outputs = call.args.iter().zip(call.kind.uses());
    let outputs = outputs.filter(|(_, (_, writes))| *writes);
    outputs
        .map(|(span, _)| span.bytes.len() as u32)
        .max()
        .unwrap_or(1)
}

/// Whether a dispatch may be as it is.
pub fn is_valid(op: &Op) -> bool {
    match op {
        Op::Call(call) => {
            let call: &Call = call;
            !refused(call)
        }
        _ => true,
    }
}
