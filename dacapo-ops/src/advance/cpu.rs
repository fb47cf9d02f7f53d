//! On the CPU.

/// The sampled ids become the next input tokens, and each position moves on by one (staying at the
/// greatest u32).
pub(super) fn advance(ids: &[u32], tokens: &mut [u32], positions: &mut [u32]) {
    tokens.copy_from_slice(ids);
    for position in positions {
        *position = position.saturating_add(1);
    }
}
