// Attention as the first part of a chain: whoever reads what it gives joins its parts, so that nobody waits for one who
// does it for all.

var<private> params: StepParams;

/// Vectors of what a part has of a query: sums, and at last the greatest score and the sum of weights.
const PART: u32 = HEAD_DIM / 4u + 1u;

fn first_vector(query: u32, split: u32) -> u32 {
    // Behind the counters of other kernels.
    return COUNTERS / 4u + (query * params.splits + split) * PART;
}

fn put_part(query_set: u32, pair: u32, part: Part, d: u32, sum: f32, total: f32) {
    let at = first_vector(query_set * PAIRS + pair, part.split);
    parts[at + d / 4u][d % 4u] = sum;
    if d == 0u {
        parts[at + PART - 1u] = vec4<f32>(greatest_of(pair), total, 0.0, 0.0);
    }
}

/// Four elements of a query, of the parts that have been joined so far.
struct Joined {
    greatest: f32,
    total: f32,
    sum: vec4<f32>,
}

/// These with another part's.
fn with_part(joined: Joined, sum: vec4<f32>, of_part: vec4<f32>) -> Joined {
    let greatest = max(joined.greatest, of_part.x);
    let kept = exp_exactly(joined.greatest - greatest);
    let share = exp_exactly(of_part.x - greatest);
    return Joined(greatest, joined.total * kept + of_part.y * share, joined.sum * kept + sum * share);
}

/// The weighted mean; without any weight 0.
fn mean_of(joined: Joined) -> vec4<f32> {
    return select(joined.sum / joined.total, vec4<f32>(), joined.total == 0.0);
}
