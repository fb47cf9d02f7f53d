use std::thread::ScopedJoinHandle;

use dacapo::{Device, FusionRule};

use crate::add::Add;
use crate::advance::Advance;
use crate::argmax::Argmax;
use crate::attention::Attention;
use crate::embed::Embed;
use crate::error::Result;
use crate::gelu_mul::GeluMul;
use crate::kv_append::KvAppend;
use crate::linear::Linear;
use crate::mul::Mul;
use crate::rms_norm::RmsNorm;
use crate::rope::Rope;
use crate::rope_append::RopeAppend;
use crate::sample::Sample;
use crate::scale::Scale;
use crate::silu_mul::SiluMul;
use crate::softcap::Softcap;
use crate::softmax::Softmax;
use crate::top_k::TopK;
use crate::tuning::Tuning;

macro_rules! compiled {
    ($op:ident, $device:expr, $tuning:expr) => {
        $op::new($device)
    };
    ($op:ident, $device:expr, $tuning:expr, tuned) => {
        $op::tuned($device, $tuning)
    };
}

/// Those that are `tuned` ask the tuning how to cut their work.
macro_rules! ops {
    ($($(#[$doc:meta])* $field:ident: $op:ident $($tuned:ident)?,)*) => {
        /// Every operation, compiled for one device. Cheap to clone.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct Ops {
            $($(#[$doc])* pub $field: $op,)*
            tuning: Tuning,
        }

        impl Ops {
            /// Compiles every operation for `device`, all at the same time; what it has compiled before is used
            /// again.
            ///
            /// # Errors
            /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run one.
            pub fn new(device: &Device) -> Result<Ops> {
                let tuning = Tuning::default();
                std::thread::scope(|scope| {
                    $(let $field = scope.spawn(|| compiled!($op, device, &tuning $(, $tuned)?));)*
                    Ok(Ops { $($field: join($field)?,)* tuning: tuning.clone() })
                })
            }
        }
    };
}

impl Ops {
    /// How they cut their work on this device.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// The rules by which a plan makes fewer of these operations' dispatches, in the order in which they are to be tried.
    pub fn fusion_rules(&self) -> Vec<FusionRule> {
        [
            self.linear.fusion_rules(),
            self.rope_append.fusion_rules(),
            self.attention.fusion_rules(),
            self.rms_norm.fusion_rules(),
            self.linear.chain_rules(&self.attention),
        ]
        .concat()
    }
}

fn join<T>(compiled: ScopedJoinHandle<'_, T>) -> T {
    compiled
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

ops! {
    /// Sums.
    add: Add,
    /// Sampled ids become input tokens.
    advance: Advance,
    /// The greatest of a row.
    argmax: Argmax,
    /// Causal grouped-query attention over a cache.
    attention: Attention tuned,
    /// Rows of a table by token id.
    embed: Embed,
    /// Gated feed-forward with GELU.
    gelu_mul: GeluMul,
    /// New keys and values into a cache.
    kv_append: KvAppend,
    /// Products with weight matrices.
    linear: Linear tuned,
    /// Products of elements.
    mul: Mul,
    /// Root-mean-square norms.
    rms_norm: RmsNorm,
    /// Rotary position embedding.
    rope: Rope,
    /// Rotary position embedding on the way into a cache.
    rope_append: RopeAppend,
    /// Random draws from logits.
    sample: Sample,
    /// Multiplication by a constant.
    scale: Scale,
    /// Gated feed-forward with SiLU.
    silu_mul: SiluMul,
    /// Soft limits.
    softcap: Softcap,
    /// Softmax over rows.
    softmax: Softmax,
    /// The greatest few of a row.
    top_k: TopK,
}
