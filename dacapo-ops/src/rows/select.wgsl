// The first few elements of a row in the order of falling rank and rising index, found without sorting. What goes
// with it declares `rank_of(bits)`, 0 for what is never kept; `amount_of(rank)`, what an element counts; and the
// variable `counting`: whether each counts 1, or else ranks are the bits of numbers in 0..=1.

/// Least rank kept.
var<private> cut_rank: u32;
/// Last index kept among those of exactly that rank.
var<private> cut_last: u32;

var<workgroup> bins: array<atomic<u32>, 2048>;
var<workgroup> scanned: array<vec2<u32>, WORKGROUP>;
var<workgroup> scanned_parts: array<vec2<u32>, 32>;
var<workgroup> found_at: u32;
var<workgroup> found_before: vec2<u32>;
var<workgroup> found_amount: vec2<u32>;

const NONE: u32 = 0xffffffffu;

/// Neighbouring threads whose sum is one step of a scan: a workgroup has 1 to 32 times as many.
const PART: u32 = 32u;

fn keeps(rank: u32, at: u32) -> bool {
    return rank > cut_rank || (rank == cut_rank && at <= cut_last);
}

struct Scan {
    /// The sum before this thread, in the order of indices.
    before: vec2<u32>,
    /// The sum of the part that this thread belongs to.
    part: vec2<u32>,
    all: vec2<u32>,
}

// In workgroup memory, without the operations of subgroups: with those, even after a `subgroupBarrier`, an H200 gave
// wrong results for some sizes of workgroups.
fn workgroup_scan(thread: Thread, x: vec2<u32>) -> Scan {
    scanned[thread.index] = x;
    workgroupBarrier();
    let own = thread.index / PART;
    var scan = Scan();
    for (var i = PART * own; i < PART * (own + 1u); i++) {
        if i == thread.index {
            scan.before = scan.part;
        }
        scan.part = add64(scan.part, scanned[i]);
    }
    if thread.index % PART == 0u {
        scanned_parts[own] = scan.part;
    }
    workgroupBarrier();
    for (var i = 0u; i < WORKGROUP / PART; i++) {
        if i == own {
            scan.before = add64(scan.before, scan.all);
        }
        scan.all = add64(scan.all, scanned_parts[i]);
    }
    workgroupBarrier();
    return scan;
}

/// `share` / 2^64 of `all`, rounded up.
fn share_of(share: vec2<u32>, all: vec2<u32>) -> vec2<u32> {
    let product = upper_product(all, share);
    return add64(product.xy, vec2<u32>(product.z, 0u));
}

/// Cuts what is kept down to the shortest beginning that counts at least `amount`, or, where `shares`, that share of
/// all that is kept (see `share_of`); to everything if nothing does.
fn select_first(thread: Thread, row: u32, target_amount: vec2<u32>, shares: bool) {
    var amount = target_amount;
    var prefix = 0u;
    var above = vec2<u32>(0u);
    for (var level = 0u; level < 3u; level++) {
        // Fields of 11, 11 and 10 bits for any rank; of 10 each for amounts, which need two words for a bin.
        let width = select(10u, 11u, counting && level < 2u);
        let shift = select(20u - 10u * level, select(10u - 10u * (level - 1u), 21u, level == 0u), counting);
        let count = 1u << width;
        for (var i = thread.index; i < 2048u; i += WORKGROUP) {
            atomicStore(&bins[i], 0u);
        }
        if thread.index == 0u {
            found_at = 0u;
            found_before = above;
            found_amount = vec2<u32>(0u);
        }
        workgroupBarrier();
        let quads = (p.width + 3u) >> 2u;
        for (var quad = thread.index; quad < quads; quad += WORKGROUP) {
            let bits = load_quad(row, quad);
            for (var i = 0u; i < 4u; i++) {
                let rank = rank_of(bits[i]);
                let inside = level == 0u || (rank >> ((shift + width) & 31u)) == prefix;
                if inside && keeps(rank, 4u * quad + i) {
                    let bin = (rank >> shift) & (count - 1u);
                    if counting {
                        atomicAdd(&bins[bin], 1u);
                    } else {
                        let weight = amount_of(rank);
                        let low = atomicAdd(&bins[bin], weight.x);
                        let high = weight.y + u32(low + weight.x < low);
                        if high != 0u {
                            atomicAdd(&bins[1024u + bin], high);
                        }
                    }
                }
            }
        }
        workgroupBarrier();
        // From the greatest bin down; each thread has some neighbours.
        let each = max(count / WORKGROUP, 1u);
        let first = thread.index * each;
        var sum = vec2<u32>(0u);
        for (var i = first; i < min(first + each, count); i++) {
            sum = add64(sum, bin_amount(count - 1u - i));
        }
        let scan = workgroup_scan(thread, sum);
        let total = add64(above, scan.all);
        if shares && level == 0u {
            amount = share_of(amount, total);
        }
        if less64(total, amount) {
            amount = total;
        }
        var before = add64(above, scan.before);
        for (var i = first; i < min(first + each, count); i++) {
            let bin = count - 1u - i;
            let here = bin_amount(bin);
            let after = add64(before, here);
            // Where nothing is asked for, the first.
            let begins = less64(before, amount) || all(before == vec2<u32>(0u));
            if any(here != vec2<u32>(0u)) && begins && !less64(after, amount) {
                found_at = bin;
                found_before = before;
                found_amount = here;
            }
            before = after;
        }
        workgroupBarrier();
        prefix = (prefix << width) | found_at;
        above = found_before;
        sum = found_amount;
        workgroupBarrier();
        if level == 2u {
            var last = select(NONE, cut_last, prefix == cut_rank);
            // Only some of the equals may be wanted.
            if !less64(sub64(add64(above, sum), amount_of(prefix)), amount) && any(sum != vec2<u32>(0u)) {
                var bar = vec2<u32>(0u);
                if less64(above, amount) {
                    bar = sub64(sub64(amount, above), vec2<u32>(1u, 0u));
                }
                last = find_index(thread, row, prefix, bar, false);
            }
            // 0 where nothing was kept.
            cut_rank = max(prefix, 1u);
            cut_last = last;
        }
    }
}

fn bin_amount(bin: u32) -> vec2<u32> {
    let low = atomicLoad(&bins[bin]);
    if counting {
        return vec2<u32>(low, 0u);
    }
    return vec2<u32>(low, atomicLoad(&bins[1024u + bin]));
}

/// The first index at which the amounts of kept elements, of rank `only` if that is not 0, exceed `bar`, or, where
/// `shares`, that share of all of them, rounded down; NONE if nothing does.
fn find_index(thread: Thread, row: u32, only: u32, target_bar: vec2<u32>, shares: bool) -> u32 {
    let stretches = WORKGROUP / PART;
    let lane = thread.index % PART;
    var bar = target_bar;
    var start = 0u;
    var stop = p.width;
    var below = vec2<u32>(0u);
    for (var round = 0u; round < 32u; round++) {
        // At first each `PART` of threads has a stretch, at last each thread an element.
        let fine = stop - start <= WORKGROUP;
        let length = select((stop - start + stretches - 1u) / stretches, PART, fine);
        let part = min(start + thread.index / PART * length, stop);
        let part_stop = min(part + length, stop);
        var sum = vec2<u32>(0u);
        for (var at = part + lane; at < part_stop; at += PART) {
            let rank = rank_of(load(row, at));
            if keeps(rank, at) && (only == 0u || rank == only) {
                sum = add64(sum, amount_of(rank));
            }
        }
        if thread.index == 0u {
            found_at = NONE;
        }
        let scan = workgroup_scan(thread, sum);
        if shares && round == 0u {
            bar = upper_product(scan.all, bar).xy;
        }
        let before = add64(below, scan.before);
        if fine {
            if !less64(bar, before) && less64(bar, add64(before, sum)) {
                found_at = part + lane;
            }
        } else if lane == 0u && !less64(bar, before) && less64(bar, add64(before, scan.part)) {
            found_at = part;
            found_before = before;
        }
        workgroupBarrier();
        let at = found_at;
        if !fine && at != NONE {
            below = found_before;
        }
        workgroupBarrier();
        if fine || at == NONE {
            return at;
        }
        start = at;
        stop = min(at + length, stop);
    }
    return NONE;
}

/// Gathers what is kept, at most 1024 elements, and sorts it: ordered logits in `bins[..]`, their indices in
/// `bins[1024..]`. Returns how many there are.
fn gather_sorted(thread: Thread, row: u32) -> u32 {
    if thread.index == 0u {
        atomicStore(&gathered, 0u);
    }
    workgroupBarrier();
    let quads = (p.width + 3u) >> 2u;
    for (var quad = thread.index; quad < quads; quad += WORKGROUP) {
        let bits = load_quad(row, quad);
        for (var i = 0u; i < 4u; i++) {
            let key = ordered(bits[i]);
            if keeps(key, 4u * quad + i) {
                let slot = atomicAdd(&gathered, 1u);
                atomicStore(&bins[slot], key);
                atomicStore(&bins[1024u + slot], 4u * quad + i);
            }
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&gathered);
    // Each element's place is the number of those before it.
    var keys: array<u32, MOST_EACH>;
    var ids: array<u32, MOST_EACH>;
    var places: array<u32, MOST_EACH>;
    for (var n = 0u; n < 1024u / WORKGROUP; n++) {
        let slot = n * WORKGROUP + thread.index;
        if slot < count {
            let key = atomicLoad(&bins[slot]);
            let id = atomicLoad(&bins[1024u + slot]);
            var better = 0u;
            for (var other = 0u; other < count; other++) {
                let other_key = atomicLoad(&bins[other]);
                let other_id = atomicLoad(&bins[1024u + other]);
                better += u32(other_key > key || (other_key == key && other_id < id));
            }
            keys[n] = key;
            ids[n] = id;
            places[n] = better;
        }
    }
    workgroupBarrier();
    for (var n = 0u; n < 1024u / WORKGROUP; n++) {
        if n * WORKGROUP + thread.index < count {
            atomicStore(&bins[places[n]], keys[n]);
            atomicStore(&bins[1024u + places[n]], ids[n]);
        }
    }
    workgroupBarrier();
    return count;
}

var<workgroup> gathered: atomic<u32>;
/// Elements of each thread of the smallest workgroup: 32 subgroups of 4.
const MOST_EACH: u32 = 8u;
