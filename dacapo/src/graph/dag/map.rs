use std::collections::HashMap;

use crate::access::Access;
use crate::graph::dag::Step;
use crate::hazard::AllocationId;

/// The bytes that steps touch, cut into pieces where any access begins or ends, so that each access is a run of pieces.
#[derive(Debug)]
pub(crate) struct Map {
    /// The runs of all steps.
    runs: Vec<Run>,
    /// Where the runs of each step begin; one more for the end.
    starts: Vec<u32>,
    /// Pieces of all allocations.
    pieces: u32,
}

/// The pieces that an access covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Where the pieces of the allocation begin among all, and how many they are.
    pub(crate) base: u32,
    pub(crate) len: u32,
    /// Which of them it covers; not empty.
    pub(crate) first: u32,
    pub(crate) end: u32,
    pub(crate) access: Access,
}

/// Where an allocation is cut, and where its pieces begin.
#[derive(Default)]
struct Cuts {
    at: Vec<u64>,
    base: u32,
}

impl Map {
    pub(crate) fn new(steps: &[Step<'_>]) -> Map {
        let mut allocations: HashMap<AllocationId, Cuts> = HashMap::new();
        for access in steps.iter().flat_map(Step::touched) {
            let cuts = allocations.entry(access.allocation).or_default();
            cuts.at.extend([access.range.start, access.range.end]);
        }
        let mut pieces = 0;
        for cuts in allocations.values_mut() {
            cuts.at.sort_unstable();
            cuts.at.dedup();
            cuts.base = pieces;
            pieces += cuts.at.len() as u32 - 1;
        }
        let mut runs = Vec::new();
        let mut starts = vec![0];
        for step in steps {
            for access in step.touched() {
                let cuts = &allocations[&access.allocation];
                let piece = |byte: u64| cuts.at.partition_point(|cut| *cut < byte) as u32;
                runs.push(Run {
                    base: cuts.base,
                    len: cuts.at.len() as u32 - 1,
                    first: piece(access.range.start),
                    end: piece(access.range.end),
                    access: access.access,
                });
            }
            starts.push(runs.len() as u32);
        }
        Map {
            runs,
            starts,
            pieces,
        }
    }

    pub(crate) fn runs(&self, step: usize) -> &[Run] {
        &self.runs[self.starts[step] as usize..self.starts[step + 1] as usize]
    }

    pub(crate) fn pieces(&self) -> usize {
        self.pieces as usize
    }
}
