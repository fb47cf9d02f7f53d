@group(0) @binding(0) var<storage, read_write> h: array<Part>;
@group(0) @binding(1) var<storage, read> x: array<Part>;
@group(0) @binding(2) var<storage, read> weight: array<Part>;
@group(0) @binding(3) var<storage, read_write> out: array<Part>;

fn count() -> u32 {
    return arrayLength(&out);
}

fn take(i: u32) -> Part {
    let sum = h[i] + x[i];
    h[i] = sum;
    return sum;
}

fn retake(i: u32) -> Part {
    return h[i];
}

fn weight_of(i: u32) -> Part {
    return weight[i];
}

fn put(i: u32, value: Part) {
    out[i] = value;
}
