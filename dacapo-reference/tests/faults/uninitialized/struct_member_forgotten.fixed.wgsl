//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

struct Span {
    start: u32,
    end: u32,
    step: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn lengths(@builtin(global_invocation_id) id: vec3<u32>) {
    var span: Span;
    span.start = input[id.x];
    span.end = input[id.x] + 8u;
    span.step = 2u;
    output[id.x] = (span.end - span.start) * span.step;
}
