@group(0) @binding(0) var<storage, read_write> x: array<Part>;
@group(0) @binding(1) var<storage, read> weight: array<Part>;

fn count() -> u32 {
    return arrayLength(&x);
}

fn take(i: u32) -> Part {
    return x[i];
}

fn retake(i: u32) -> Part {
    return x[i];
}

fn weight_of(i: u32) -> Part {
    return weight[i];
}

fn put(i: u32, value: Part) {
    x[i] = value;
}
