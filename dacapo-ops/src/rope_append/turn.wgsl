// A head of q or k, and how a subgroup turns it. What precedes this declares `turn_at`, `Norm` with what makes it, and
//   const NORMED: bool                              whether heads are normed before they turn,
//   fn weight_of(of_q: bool, i: u32) -> f32         the weight of element i of their norm;
// what includes it `q` and `k`, arrays of f32, `frequencies`, and `params` with `head_dim`, `pairs` and `eps`.

override SUBGROUP_SIZE: u32;

// A head of q or k.
struct Head {
    of_q: bool,
    // Its first element.
    base: u32,
    // Pairs of elements that turn, and elements in all; none of a subgroup that has nothing to do.
    half: u32,
    width: u32,
}

// Element i as it is.
fn raw(head: Head, i: u32) -> f32 {
    if head.of_q {
        return q[head.base + i];
    }
    return k[head.base + i];
}

fn element(head: Head, norm: Norm, i: u32) -> f32 {
    let x = raw(head, i);
    if !NORMED {
        return x;
    }
    return x * norm.scale * norm.factor * weight_of(head.of_q, i);
}

fn first_of(pair: u32) -> u32 {
    return select(pair, 2u * pair, params.pairs != 0u);
}

fn second_of(pair: u32, half: u32) -> u32 {
    return select(pair + half, 2u * pair + 1u, params.pairs != 0u);
}

// The sum of the squares of the elements times `scale`. A lane takes the elements that it will write.
fn squares(head: Head, scale: f32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var pair = lane; pair < head.half; pair += SUBGROUP_SIZE) {
        let v = vec2(raw(head, first_of(pair)), raw(head, second_of(pair, head.half))) * scale;
        sum += dot(v, v);
    }
    for (var i = 2u * head.half + lane; i < head.width; i += SUBGROUP_SIZE) {
        let x = raw(head, i) * scale;
        sum = fma(x, x, sum);
    }
    subgroupBarrier();
    return subgroupAdd(sum);
}

fn norm_of_head(head: Head, lane: u32) -> Norm {
    if !NORMED {
        return Norm(1.0, 1.0);
    }
    let elements = f32(params.head_dim);
    let sum = squares(head, 1.0, lane);
    if is_normal(sum, elements) {
        return norm_of(sum / elements, params.eps);
    }
    var greatest = 0.0;
    for (var i = lane; i < head.width; i += SUBGROUP_SIZE) {
        greatest = max(greatest, abs(raw(head, i)));
    }
    subgroupBarrier();
    let scale = scale_for(subgroupMax(greatest));
    return scaled_norm(scale, squares(head, scale, lane) / elements, params.eps);
}

fn turn_of(pair: u32, position: u32) -> vec2<f32> {
    return turn_at(vec2<u32>(frequencies[2u * pair], frequencies[2u * pair + 1u]), position);
}

// What the two elements of a pair become.
fn turned_pair(head: Head, norm: Norm, position: u32, pair: u32) -> vec2<f32> {
    let x = element(head, norm, first_of(pair));
    let y = element(head, norm, second_of(pair, head.half));
    let turn = turn_of(pair, position);
    return vec2(x * turn.x - y * turn.y, x * turn.y + y * turn.x);
}
