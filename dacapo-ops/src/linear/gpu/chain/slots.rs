//! Where chains bind what.

use super::MATRICES;
use crate::attention::StepSlots;
use crate::dtype::DType;
use crate::linear::gpu::Layout;

/// The slot of what a chain does not have.
const NOWHERE: u32 = u32::MAX;

/// What decides which buffers a chain has, beside the types of its weights.
#[derive(Clone, Copy)]
pub(super) struct Has {
    /// Attention, and whether it norms heads.
    pub(super) attention: Option<bool>,
    /// Queries, keys and values of the next layer.
    pub(super) next: bool,
    /// Biases of these.
    pub(super) biases: bool,
}

/// Slots are given one after the other, in this order, to what there is.
pub(super) struct Slots {
    /// What attention gave, where it is no part of the chain.
    pub(super) attended: u32,
    pub(super) hidden: u32,
    pub(super) activated: u32,
    pub(super) norms: [u32; 2],
    /// Queries, keys and values: those of attention, and at last the next ones.
    pub(super) rows: [u32; 3],
    pub(super) control: u32,
    /// Of attention, whose output is bound nowhere.
    pub(super) step: StepSlots,
    pub(super) biases: [u32; 3],
    /// Of all planes of weights, the first.
    weights: u32,
}

impl Slots {
    pub(super) fn new(has: Has) -> Slots {
        let Has {
            attention,
            next,
            biases,
        } = has;
        let mut given = 0;
        let mut slot = |is_there: bool| match is_there {
            true => {
                given += 1;
                given - 1
            }
            false => NOWHERE,
        };
        let attends = attention.is_some();
        let attended = slot(!attends);
        let [hidden, activated] = [slot(true), slot(true)];
        let norms = [slot(true), slot(next)];
        let rows = [(); 3].map(|()| slot(attends || next));
        let control = slot(true);
        let beside = [true, true, true, true, true, false, false];
        let normed = attention == Some(true);
        let beside = beside.map(|always| slot(attends && (always || normed)));
        let biases = [(); 3].map(|()| slot(biases));
        Slots {
            attended,
            hidden,
            activated,
            norms,
            rows,
            control,
            step: StepSlots {
                rows,
                out: NOWHERE,
                beside,
            },
            biases,
            weights: given,
        }
    }

    /// The planes of matrices of these types.
    pub(super) fn planes(&self, types: impl IntoIterator<Item = DType>) -> Vec<[u32; 2]> {
        let mut next = self.weights;
        let planes = types.into_iter().map(|dtype| {
            let first = next;
            match Layout::new(dtype, 1, 256).has_second() {
                true => next += 2,
                false => next += 1,
            }
            [first, next - 1]
        });
        planes.collect()
    }

    /// All that planes can have: those of weights come last.
    pub(super) fn all_planes(&self) -> impl Iterator<Item = u32> + use<> {
        self.weights..self.weights + 2 * MATRICES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most bindings of a kernel.
    const MOST: u32 = 31;

    /// All slots of a chain of seven such matrices, in their order.
    fn slots(has: Has, dtype: DType) -> Vec<u32> {
        let slots = Slots::new(has);
        let mut all = vec![slots.attended, slots.hidden, slots.activated];
        all.extend(slots.norms);
        all.extend(slots.rows);
        all.push(slots.control);
        all.extend(slots.step.beside);
        all.extend(slots.biases);
        for [first, second] in slots.planes([dtype; MATRICES as usize]) {
            all.push(first);
            all.extend((second != first).then_some(second));
        }
        all.retain(|slot| *slot != NOWHERE);
        all
    }

    #[test]
    fn slots_are_given_without_holes() {
        let chain = |attention, next, biases| Has {
            attention,
            next,
            biases,
        };
        for (has, dtype, count) in [
            (chain(None, true, false), DType::BF16, 16),
            (chain(None, false, false), DType::BF16, 12),
            (chain(Some(true), true, false), DType::BF16, 22),
            (chain(Some(true), true, false), DType::Q8_0, 29),
            (chain(Some(false), true, true), DType::Q4_0, 30),
            (chain(Some(false), false, false), DType::Q4K, 19),
        ] {
            let expected: Vec<u32> = (0..count).collect();
            assert_eq!(slots(has, dtype), expected);
            assert!(count <= MOST);
        }
    }
}
