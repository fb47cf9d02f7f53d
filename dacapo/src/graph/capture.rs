use crate::access::Access;
use crate::encoder::BoundView;
use crate::graph::node::{Node, NodeArg, NodeGrid, ScopeId, ScopeLabel};
use crate::grid::{Extent, Grid};
use crate::hazard::RangeAccess;
use crate::kernel::Kernel;
use crate::memory::BufferView;
use crate::range::ByteRange;

/// What an encoder fills instead of a recording while a graph is captured.
#[derive(Default)]
pub(crate) struct Capture {
    nodes: Vec<Node>,
    scopes: Vec<ScopeLabel>,
    scope: Option<ScopeId>,
    pending_barrier: bool,
}

impl Capture {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn dispatch(
        &mut self,
        kernel: &Kernel,
        views: &[BoundView<'_>],
        inline: &[u8],
        grid: Grid<'_>,
    ) {
        let bindings = kernel.interface().bindings();
        let args = views.iter().zip(bindings).map(|(bound, binding)| NodeArg {
            slot: binding.slot,
            access: bound.access,
            view: BufferView {
                range: bound.range,
                ..bound.view.clone()
            },
        });
        let args: Vec<NodeArg> = args.collect();
        let touch = |view: &BufferView, range, access| {
            (!view.is_read_only()).then_some(RangeAccess {
                allocation: view.allocation.id,
                range,
                access,
            })
        };
        let mut accesses: Vec<RangeAccess> = args
            .iter()
            .filter_map(|arg| touch(&arg.view, arg.view.range, arg.access))
            .collect();
        if let Extent::Indirect(view) = grid.extent {
            let start = view.range.start;
            accesses.extend(touch(view, ByteRange::new(start, start + 12), Access::Read));
        }
        self.nodes.push(Node {
            kernel: kernel.clone(),
            args,
            inline: inline.to_vec(),
            grid: NodeGrid::new(grid),
            accesses,
            barrier_before: core::mem::take(&mut self.pending_barrier),
            scope: self.scope,
        });
    }

    pub(crate) fn barrier(&mut self) {
        self.pending_barrier = true;
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

    pub(crate) fn finish(self) -> (Vec<Node>, Vec<ScopeLabel>, bool) {
        (self.nodes, self.scopes, self.pending_barrier)
    }
}
