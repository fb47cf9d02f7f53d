// What workgroups that look for the greatest element of rows pass each other: for each token and workgroup the order of
// its greatest and where that is. 0 and NONE stand for nothing but NaN.

const NONE: u32 = 0xffffffffu;
override THREADS: u32 = SUBGROUP_SIZE * SUBGROUPS;
override KEYS: u32 = THREADS + SUBGROUPS * TOKENS;

/// Of `found`: a counter, 0 between dispatches, then some words apart from it the records.
const RECORDS: u32 = 64u;

/// First what subgroups found, then what threads did.
var<workgroup> keys: array<u32, KEYS>;
var<workgroup> places: array<u32, KEYS>;
var<workgroup> is_last: u32;

/// Whether the first comes before the second.
fn wins(key: u32, place: u32, other_key: u32, other_place: u32) -> bool {
    return key > other_key || (key == other_key && place < other_place);
}

/// Joins what the subgroups of all workgroups found, in whichever workgroup ends last.
fn join_greatest(group: u32, groups: u32, thread: u32) {
    workgroupBarrier();
    if thread < min(TOKENS, p.tokens) {
        var key = 0u;
        var place = NONE;
        for (var i = thread; i < SUBGROUPS * TOKENS; i += TOKENS) {
            if wins(keys[i], places[i], key, place) {
                key = keys[i];
                place = places[i];
            }
        }
        let record = RECORDS + 2u * (thread * groups + group);
        atomicStore(&found[record], key);
        atomicStore(&found[record + 1u], place);
    }
    storageBarrier();
    workgroupBarrier();
    if thread == 0u {
        let before = atomicAdd(&found[0], 1u);
        is_last = u32(before + 1u == groups);
        if before + 1u == groups {
            atomicStore(&found[0], 0u);
        }
    }
    workgroupBarrier();
    if workgroupUniformLoad(&is_last) == 0u {
        return;
    }
    storageBarrier();
    for (var token = 0u; token < p.tokens; token++) {
        var key = 0u;
        var place = NONE;
        for (var i = thread; i < groups; i += THREADS) {
            let record = RECORDS + 2u * (token * groups + i);
            let other_key = atomicLoad(&found[record]);
            let other_place = atomicLoad(&found[record + 1u]);
            if wins(other_key, other_place, key, place) {
                key = other_key;
                place = other_place;
            }
        }
        keys[thread] = key;
        places[thread] = place;
        workgroupBarrier();
        // Halves, rounded up, until one is left.
        for (var count = THREADS; count > 1u; count = (count + 1u) / 2u) {
            let half = (count + 1u) / 2u;
            if thread + half < count && wins(keys[thread + half], places[thread + half], keys[thread], places[thread]) {
                keys[thread] = keys[thread + half];
                places[thread] = places[thread + half];
            }
            workgroupBarrier();
        }
        if thread == 0u {
            ids[token] = places[0];
        }
        workgroupBarrier();
    }
}
