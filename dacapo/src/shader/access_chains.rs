use std::collections::HashMap;

use super::spirv::{HEADER, instructions};

const OP_ACCESS_CHAIN: u32 = 65;

/// Rewrites each access chain that starts at another one, so that it starts at a variable. naga splits most
/// accesses into two chains; Khronos' synchronization validation attributes an access to a variable only where
/// one chain leads to it. The inner chains stay, some of them unused.
pub(super) fn join(words: &[u32]) -> Vec<u32> {
    // The variable and the indices of each chain.
    let mut chains = HashMap::<u32, (u32, Vec<u32>)>::new();
    let mut out = words[..HEADER.min(words.len())].to_vec();
    for (op, instruction) in instructions(words) {
        let [_, ty, result, base, indices @ ..] = instruction else {
            out.extend_from_slice(instruction);
            continue;
        };
        if op != OP_ACCESS_CHAIN {
            out.extend_from_slice(instruction);
            continue;
        }
        let (root, mut joined) = chains.get(base).cloned().unwrap_or((*base, Vec::new()));
        joined.extend_from_slice(indices);
        let count = 4 + joined.len() as u32;
        out.extend([count << 16 | OP_ACCESS_CHAIN, *ty, *result, root]);
        out.extend_from_slice(&joined);
        chains.insert(*result, (root, joined));
    }
    out
}
