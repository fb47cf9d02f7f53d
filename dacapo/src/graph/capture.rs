use crate::encoder::Checked;
use crate::graph::node::{Node, NodeArg, NodeGrid, ScopeId, ScopeLabel};
use crate::grid::Grid;
use crate::kernel::Kernel;
use crate::memory::BufferView;

/// What an encoder fills instead of a recording while a graph is captured.
#[derive(Default)]
pub(crate) struct Capture {
    nodes: Vec<Node>,
    scopes: Vec<ScopeLabel>,
    scope: Option<ScopeId>,
    pending_barrier: bool,
    discards: Vec<Discard>,
}

/// Bytes that nobody needs any more.
#[derive(Clone)]
pub(crate) struct Discard {
    /// How many nodes were there.
    pub(crate) after: u32,
    pub(crate) view: BufferView,
}

/// What a finished capture holds.
pub(crate) struct Captured {
    pub(crate) nodes: Vec<Node>,
    pub(crate) scopes: Vec<ScopeLabel>,
    pub(crate) discards: Vec<Discard>,
    pub(crate) ends_with_barrier: bool,
}

impl Capture {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn dispatch(&mut self, kernel: &Kernel, checked: &Checked<'_>, grid: Grid<'_>) {
        let bindings = kernel.interface().bindings();
        let args = checked.bound.iter().zip(bindings);
        let args = args.map(|(bound, binding)| NodeArg {
            slot: binding.slot,
            access: bound.access,
            view: BufferView {
                range: bound.range,
                ..bound.view.clone()
            },
        });
        self.nodes.push(Node {
            kernel: kernel.clone(),
            args: args.collect(),
            inline: checked.inline.to_vec(),
            grid: NodeGrid::new(grid),
            accesses: checked.accesses.to_vec(),
            barrier_before: core::mem::take(&mut self.pending_barrier),
            scope: self.scope,
            fused: None,
        });
    }

    pub(crate) fn barrier(&mut self) {
        self.pending_barrier = true;
    }

    pub(crate) fn discard(&mut self, view: &BufferView) {
        self.discards.push(Discard {
            after: self.nodes.len() as u32,
            view: view.clone(),
        });
    }

    pub(crate) fn push_scope(&mut self, label: &str) {
        self.scopes.push(ScopeLabel {
            parent: self.scope,
            label: label.to_owned(),
        });
        self.scope = Some(ScopeId(self.scopes.len() as u32 - 1));
    }

    pub(crate) fn pop_scope(&mut self) {
        self.scope = self.scope.and_then(|id| self.scopes[id.index()].parent);
    }

    pub(crate) fn finish(self) -> Captured {
        Captured {
            nodes: self.nodes,
            scopes: self.scopes,
            discards: self.discards,
            ends_with_barrier: self.pending_barrier,
        }
    }
}
