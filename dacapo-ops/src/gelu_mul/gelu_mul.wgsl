@group(0) @binding(0) var<storage, read> gate: array<f32>;
@group(0) @binding(1) var<storage, read> up: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override ERF: bool;

fn count() -> u32 {
    return arrayLength(&out);
}

fn result(i: u32) -> f32 {
    if ERF {
        return gelu_erf(gate[i]) * up[i];
    }
    return gelu_tanh(gate[i]) * up[i];
}

fn store(i: u32, value: f32) {
    out[i] = value;
}
