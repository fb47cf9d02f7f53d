//! Values get memory of their own where sharing it makes others wait.
//!
//! A node that overwrites memory waits for all who still use what was there. Where that alone makes the longest chain as
//! long as it is, and the new value is needed by nobody after the graph, it is as well off elsewhere.

use std::collections::HashMap;

use crate::error::Result;
use crate::graph::capture::Discard;
use crate::graph::dag::{Conflicts, Dag, Step};
use crate::graph::fusion::{Fate, Uses};
use crate::graph::{Graph, Node};
use crate::hazard::{AllocationId, HazardKind, RangeAccess};
use crate::memory::{BufferOptions, BufferView, MemoryKind};

/// A value that was given memory of its own.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// The node that writes it, by its place in the captured graph.
    pub writer: u32,
    /// Where it was.
    pub from: BufferView,
    /// Where it is now.
    pub to: BufferView,
}

/// A value that can move: written whole by one node, and dead before the graph ends.
struct Value {
    view: BufferView,
    /// The slots that bind it or a part of it, its writer's first.
    ports: Vec<(u32, u32)>,
}

/// What starts at a multiple of this may be bound on every device.
const ALIGN: u64 = 256;

/// Longest chains that are looked at, one after the other: each costs as much as planning does.
const ROUNDS: usize = 32;

/// Uses that a value may have.
const MOST_USES: usize = 4096;

/// Nodes after the renaming, and what was renamed.
pub(crate) fn rename(
    graph: &Graph,
    nodes: &mut [Node],
    positions: &[u32],
    discards: &[Discard],
    budget: u64,
) -> Result<Vec<Renamed>> {
    if budget == 0 {
        return Ok(Vec::new());
    }
    let values = values(&Uses::new(nodes, positions, discards), nodes);
    let chosen = choose(nodes, &values, budget);
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let total = chosen.iter().map(|&value| room(&values[value])).sum();
    let memory = graph.device.buffer_with(&BufferOptions {
        len: total,
        kind: MemoryKind::DeviceLocal,
        label: "renamed values",
    })?;
    let mut next = 0;
    let mut renamed = Vec::new();
    for value in chosen {
        let Value { view, ports } = &values[value];
        let start = next + view.offset() % ALIGN;
        next += room(&values[value]);
        for &(node, slot) in ports {
            let args = &mut nodes[node as usize].args;
            if let Some(arg) = args.iter_mut().find(|arg| arg.slot == slot) {
                let part = arg.view.range();
                let offset = start + part.start - view.offset();
                arg.view = memory.slice(offset..offset + part.len())?;
            }
            nodes[node as usize].note_accesses();
        }
        renamed.push(Renamed {
            writer: positions[ports[0].0 as usize],
            from: view.clone(),
            to: memory.slice(start..start + view.len())?,
        });
    }
    Ok(renamed)
}

/// Bytes that a value takes, wherever it starts.
fn room(value: &Value) -> u64 {
    (value.view.len() + value.view.offset() % ALIGN).next_multiple_of(ALIGN)
}

fn values(uses: &Uses<'_>, nodes: &[Node]) -> Vec<Value> {
    let mut values = Vec::new();
    for (at, node) in (0..).zip(nodes) {
        for arg in &node.args {
            if node.kernel.interface().overwrites(arg.slot)
                && let Some(ports) = ports(uses, nodes, at, arg.slot, &arg.view)
            {
                let view = arg.view.clone();
                values.push(Value { view, ports });
            }
        }
    }
    values
}

/// Who binds a value, if it can move. A part that somebody overwrites is a value of its own, so what it was a part of stays:
/// no port belongs to two values.
fn ports(
    uses: &Uses<'_>,
    nodes: &[Node],
    writer: u32,
    slot: u32,
    view: &BufferView,
) -> Option<Vec<(u32, u32)>> {
    let overwrites = |node: u32, slot| nodes[node as usize].kernel.interface().overwrites(slot);
    let mut ports = vec![(writer, slot)];
    let mut at = writer;
    while ports.len() < MOST_USES {
        let user = match uses.fate(at, view) {
            Fate::Dead(_) => return Some(ports),
            Fate::Left => return None,
            Fate::Used(user) => user,
        };
        let found = uses.after(at, view).take_while(|found| found.node == user);
        let before = ports.len();
        for found in found {
            match found.slot {
                Some(slot) if view.range().contains(found.range) && !overwrites(user, slot) => {
                    ports.push((user, slot));
                }
                _ => return None,
            }
        }
        // A node of unknown access binds nothing that could be moved for it.
        if ports.len() == before {
            return None;
        }
        at = user;
    }
    None
}

/// The values on longest chains whose removal makes those shorter.
fn choose(nodes: &[Node], values: &[Value], budget: u64) -> Vec<usize> {
    let mut trial = Trial::new(nodes, values);
    let before = trial.longest();
    let all: Vec<usize> = (0..values.len()).collect();
    trial.move_out(&all);
    let least = trial.longest();
    if least == before {
        return Vec::new();
    }
    let mut trial = Trial::new(nodes, values);
    let (mut chosen, mut spent) = (Vec::new(), 0);
    let (mut kept, mut shortest) = (0, before);
    for _ in 0..ROUNDS {
        let dag = trial.dag();
        if dag.longest < shortest {
            (kept, shortest) = (chosen.len(), dag.longest);
        }
        if dag.longest == least {
            break;
        }
        let before = chosen.len();
        for value in trial.removable(&dag) {
            let room = room(&values[value]);
            if spent + room <= budget && !trial.moved[value] {
                spent += room;
                trial.move_out(&[value]);
                chosen.push(value);
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    // What was moved since the chain last became shorter has been for nothing.
    chosen.truncate(kept);
    chosen
}

/// The accesses of a graph in which some values have moved.
struct Trial<'v> {
    nodes: &'v [Node],
    values: &'v [Value],
    accesses: Vec<Vec<RangeAccess>>,
    moved: Vec<bool>,
    /// The values by the ports that bind them.
    at: HashMap<(u32, u32), usize>,
}

impl<'v> Trial<'v> {
    fn new(nodes: &'v [Node], values: &'v [Value]) -> Trial<'v> {
        let ports = values.iter().enumerate();
        let ports =
            ports.flat_map(|(value, known)| known.ports.iter().map(move |port| (*port, value)));
        Trial {
            nodes,
            values,
            accesses: nodes.iter().map(|node| node.accesses.to_vec()).collect(),
            moved: vec![false; values.len()],
            at: ports.collect(),
        }
    }

    fn steps(&self) -> Vec<Step<'_>> {
        self.nodes
            .iter()
            .zip(&self.accesses)
            .map(|(node, accesses)| Step {
                accesses,
                ..node.step()
            })
            .collect()
    }

    fn dag(&self) -> Dag {
        Conflicts::new(self.steps()).dag
    }

    fn longest(&self) -> u32 {
        self.dag().longest
    }

    fn move_out(&mut self, values: &[usize]) {
        for &value in values {
            self.moved[value] = true;
            for &(node, slot) in &self.values[value].ports {
                let node_at = node as usize;
                if let Some(access) = self.access(node, slot)
                    && let Some(known) = self.accesses[node_at]
                        .iter_mut()
                        .find(|known| **known == access)
                {
                    known.allocation = own_memory(value);
                }
            }
        }
    }

    /// What a slot touches, where it was captured.
    fn access(&self, node: u32, slot: u32) -> Option<RangeAccess> {
        let arg = self.nodes[node as usize].arg(slot)?;
        Some(RangeAccess {
            allocation: arg.view.allocation(),
            range: arg.view.range(),
            access: arg.access,
        })
    }

    /// Values to move that would spare a node on the longest chain from waiting for the one before it, if it waits only
    /// because it overwrites what that one uses.
    fn removable(&self, dag: &Dag) -> Vec<usize> {
        let path = dag.critical_path();
        let mut found = Vec::new();
        for pair in path.windows(2) {
            let (earlier, later) = (pair[0], pair[1]);
            let mut here = Vec::<usize>::new();
            let all_false = self.conflicts(earlier, later, &mut |slot| {
                here.extend(
                    self.at
                        .get(&(later, slot))
                        .filter(|value| !self.moved[**value]),
                );
            });
            if all_false {
                found.extend(here);
            }
        }
        found
    }

    /// Calls `false_one` with the slot of each conflict of a later node that only overwrites; whether all are like that.
    fn conflicts(&self, earlier: u32, later: u32, false_one: &mut dyn FnMut(u32)) -> bool {
        let (first, second) = (&self.nodes[earlier as usize], &self.nodes[later as usize]);
        if second.barrier_before || first.step().unknown || second.step().unknown {
            return false;
        }
        let mut all_false = true;
        for slot in second.args.iter().map(|arg| arg.slot) {
            let Some(after) = self.place(later, slot) else {
                continue;
            };
            for other in first.args.iter().map(|arg| arg.slot) {
                let Some(before) = self.place(earlier, other) else {
                    continue;
                };
                if before.allocation != after.allocation || !before.range.overlaps(&after.range) {
                    continue;
                }
                match HazardKind::between(before.access, after.access) {
                    Some(HazardKind::ReadAfterWrite) => all_false = false,
                    Some(_) => false_one(slot),
                    None => {}
                }
            }
        }
        all_false
    }

    /// What a slot touches, where it is now.
    fn place(&self, node: u32, slot: u32) -> Option<RangeAccess> {
        let access = self.access(node, slot)?;
        match self.at.get(&(node, slot)) {
            Some(&value) if self.moved[value] => Some(RangeAccess {
                allocation: own_memory(value),
                ..access
            }),
            _ => Some(access),
        }
    }
}

/// What stands for the memory that a value would get: ids of real allocations are small and dense.
fn own_memory(value: usize) -> AllocationId {
    AllocationId::new(u32::MAX - value as u32)
}
