use super::Kind;

/// What makes two faults the same one, happening again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Its kind.
    pub(crate) kind: Kind,
    /// A number that no other kernel has.
    pub(crate) kernel: u64,
    /// A number of the place in the kernel.
    pub(crate) site: u32,
    /// Kernel and place of the other party.
    pub(crate) other: Option<(u64, u32)>,
    /// Whatever else tells faults at one place apart, such as the slot.
    pub(crate) place: u64,
}
