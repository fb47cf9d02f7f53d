use core::fmt;
use std::sync::Arc;

use bytemuck::AnyBitPattern;

use crate::encoder::CommandEncoder;
use crate::graph::Node;
use crate::memory::BufferView;

/// How several nodes of a graph become fewer: which nodes, how they hang together, and what takes their place.
///
/// A rule is data and lives beside the operations that it is about. What holds for all rules is checked by the
/// planner and need not be said: that a value which vanishes is written whole by one node, read only inside the match,
/// and needed by nobody afterwards; that nothing between the nodes stands in a conflict with moving them together; and
/// that the replacement touches no bytes that the matched nodes did not touch in that way.
#[derive(Clone)]
pub struct FusionRule {
    pub(crate) name: &'static str,
    /// The kind of operation of each node.
    pub(crate) ops: Vec<&'static str>,
    pub(crate) links: Vec<Link>,
    pub(crate) replace: Replace,
}

type Replace = Arc<dyn Fn(&Match<'_>, &mut CommandEncoder) -> Result<(), Unfit> + Send + Sync>;

/// A slot of one of the nodes of a pattern: the node's place in the rule, and the slot's number.
pub type Port = (usize, u32);

/// How two nodes of a pattern hang together. The bytes bound at the two ports must be exactly the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// What one writes the other reads, and nobody else ever does: the value vanishes.
    Vanishing {
        /// The writing port.
        from: Port,
        /// The reading port.
        to: Port,
    },
    /// What one writes the other uses; the value is still there afterwards.
    Passed {
        /// The writing port.
        from: Port,
        /// The port that reads it, or reads and writes it.
        to: Port,
    },
    /// Both read the same bytes, with the same value.
    Shared(Port, Port),
}

/// Nodes that a rule has matched.
#[derive(Clone, Copy, Debug)]
pub struct Match<'g> {
    pub(crate) nodes: &'g [&'g Node],
}

/// Why matched nodes cannot be replaced after all, such as types or shapes that the fused kernel does not take. Any
/// error turns into it, so that a rule can use `?` on the operations that it calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub(crate) reason: Box<str>,
}

impl FusionRule {
    /// A rule for nodes of these kinds of operation, in this program order unless links leave it open.
    ///
    /// Each node but the first must hang, through `links`, together with one before it. `replace` encodes what takes
    /// their place into an encoder that captures it: usually one dispatch, through the same operation that users call.
    #[must_use]
    pub fn new(
        name: &'static str,
        ops: &[&'static str],
        links: &[Link],
        replace: impl Fn(&Match<'_>, &mut CommandEncoder) -> Result<(), Unfit> + Send + Sync + 'static,
    ) -> FusionRule {
        FusionRule {
            name,
            ops: ops.to_vec(),
            links: links.to_vec(),
            replace: Arc::new(replace),
        }
    }

    /// Its name, for reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<'g> Match<'g> {
    /// Node `index` of the rule.
    ///
    /// # Panics
    /// If the rule has no such node.
    #[must_use]
    pub fn node(&self, index: usize) -> &'g Node {
        self.nodes[index]
    }

    /// What node `index` binds at `slot`.
    ///
    /// # Errors
    /// [`Unfit`] if it binds nothing there.
    pub fn view(&self, index: usize, slot: u32) -> Result<&'g BufferView, Unfit> {
        let node = self.node(index);
        let missing = || Unfit::new(format!("{} binds nothing at slot {slot}", node.op_kind()));
        node.view(slot).ok_or_else(missing)
    }

    /// The inline constants of node `index`.
    ///
    /// # Errors
    /// [`Unfit`] if they are not as long as `P`.
    pub fn inline<P: AnyBitPattern>(&self, index: usize) -> Result<P, Unfit> {
        let node = self.node(index);
        bytemuck::try_pod_read_unaligned(node.inline()).map_err(|_| {
            let (found, wanted) = (node.inline().len(), size_of::<P>());
            Unfit::new(format!(
                "{} has {found} bytes of inline constants; the rule knows it with {wanted}",
                node.op_kind()
            ))
        })
    }
}

impl Unfit {
    /// With this reason.
    pub fn new(reason: impl Into<Box<str>>) -> Unfit {
        Unfit {
            reason: reason.into(),
        }
    }
}

impl<E: core::error::Error> From<E> for Unfit {
    fn from(error: E) -> Unfit {
        Unfit::new(error.to_string())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for FusionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FusionRule({}: {})", self.name, self.ops.join(", "))
    }
}
