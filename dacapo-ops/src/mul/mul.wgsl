@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;

fn count() -> u32 {
    return arrayLength(&x);
}

fn result(i: u32) -> f32 {
    return x[i] * y[facing(i, arrayLength(&y))];
}

fn store(i: u32, value: f32) {
    x[i] = value;
}
