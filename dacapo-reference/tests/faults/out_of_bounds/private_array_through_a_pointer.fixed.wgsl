//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

fn shift_in(window: ptr<function, array<u32, 4>>, value: u32) {
    for (var at = 0u; at < 3u; at++) {
        (*window)[at] = (*window)[at + 1u];
    }
    (*window)[3] = value;
}

@compute @workgroup_size(16)
fn window(@builtin(local_invocation_index) lane: u32) {
    var window = array<u32, 4>(1u, 2u, 3u, 4u);
    shift_in(&window, input[lane]);
    output[lane] = window[0] + window[3];
}
