//! Which invocations take part right now, in a form that loops over them are fast in.

use crate::mask::Mask;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Active {
    pub(super) mask: Mask,
    /// From a multiple of 8 that none comes before.
    pub(super) first: usize,
    /// Past the last one.
    pub(super) end: usize,
    pub(super) count: usize,
    /// Whether all between take part, from `first` on.
    dense: bool,
}

impl Active {
    pub(super) fn new(mask: Mask) -> Active {
        let Some((lowest, highest)) = mask.lowest().zip(mask.highest()) else {
            return Active::default();
        };
        let count = mask.count();
        Active {
            mask,
            first: lowest / 8 * 8,
            end: highest + 1,
            count,
            dense: lowest % 8 == 0 && count == highest + 1 - lowest,
        }
    }

    /// Calls `visit` for each.
    #[inline(always)]
    pub(super) fn each(&self, mut visit: impl FnMut(usize)) {
        if self.dense {
            for lane in self.first..self.end {
                visit(lane);
            }
        } else {
            for lane in self.mask.lanes() {
                visit(lane);
            }
        }
    }

    /// The first one; there is one wherever this is asked.
    pub(super) fn lowest(&self) -> usize {
        self.mask.lowest().unwrap_or(0)
    }
}
