//! Rotation, append and attention of one token become one dispatch.

use dacapo::{FusionRule, Link};

use super::gpu::SplitParams;
use super::{Attention, AttentionOptions, Form};
use crate::rope_append::Recorded;
use crate::tensor::Tensor;

/// Places of the nodes in the rule.
const APPEND: usize = 0;
const ATTENTION: usize = 1;

/// Attention uses the queries that have turned, which nobody needs afterwards, and the caches.
const LINKS: [Link; 4] = [
    Link::Vanishing {
        from: (APPEND, 0),
        to: (ATTENTION, 0),
    },
    Link::Passed {
        from: (APPEND, 3),
        to: (ATTENTION, 1),
    },
    Link::Passed {
        from: (APPEND, 4),
        to: (ATTENTION, 2),
    },
    Link::Shared((APPEND, 5), (ATTENTION, 3)),
];

impl Attention {
    /// What rotates and appends one token's heads joins their attention; on GPUs only.
    pub fn fusion_rules(&self) -> Vec<FusionRule> {
        let Form::Gpu(_) = &self.form else {
            return Vec::new();
        };
        let op = self.clone();
        let rule = FusionRule::new(
            "rope append, attention",
            &["rope_append", "attention"],
            &LINKS,
            move |found, encoder| {
                let recorded = Recorded::new(found, APPEND)?;
                let operands = recorded.operands();
                let params = found.inline::<SplitParams>(ATTENTION)?;
                let options = AttentionOptions {
                    scale: params.scale,
                    softcap: (params.softcap != 0.0).then_some(params.softcap),
                };
                let out = found.view(ATTENTION, 4)?.clone();
                let out = Tensor::new(out, operands.q.dtype(), operands.q.shape())?;
                let scratch = Some(found.view(ATTENTION, 5)?.clone());
                Ok(op.encode_step_in(encoder, &operands, options, &out, scratch)?)
            },
        );
        vec![rule]
    }
}
