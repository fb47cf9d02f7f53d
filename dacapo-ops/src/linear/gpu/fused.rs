//! Products of few tokens in one dispatch with what goes before and after them.

use dacapo::CommandEncoder;

use super::GpuLinear;
use crate::error::Result;
use crate::linear::fused::unfused;
use crate::linear::{Activation, Norm, Operands};

impl GpuLinear {
    pub(in crate::linear) fn encode_together(
        &self,
        _encoder: &mut CommandEncoder,
        _products: &[Operands<'_>],
        _norm: Option<Norm<'_>>,
    ) -> Result<()> {
        unfused("GPUs have no kernel for it")
    }

    pub(in crate::linear) fn encode_gated(
        &self,
        _encoder: &mut CommandEncoder,
        _gate_up: &[Operands<'_>; 2],
        _activation: Activation,
        _norm: Option<Norm<'_>>,
    ) -> Result<()> {
        unfused("GPUs have no kernel for it")
    }

    pub(in crate::linear) fn encode_argmax(
        &self,
        _encoder: &mut CommandEncoder,
        _operands: &Operands<'_>,
        _norm: Option<Norm<'_>>,
    ) -> Result<()> {
        unfused("GPUs have no kernel for it")
    }
}
