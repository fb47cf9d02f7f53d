//! What the grids of GPU kernels share.

/// Most workgroups along an axis that every GPU takes; where there is more to do they go on with what is left.
pub(crate) const MAX_GROUPS: usize = 65_535;
