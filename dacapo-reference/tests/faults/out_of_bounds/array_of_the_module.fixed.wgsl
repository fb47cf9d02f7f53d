//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<private> stack: array<u32, 4> = array<u32, 4>(0u, 0u, 0u, 0u);
var<private> depth: u32 = 0u;

fn push(onto: ptr<private, array<u32, 4>>, value: u32) {
    (*onto)[depth] = value;
    depth += 1u;
}

@compute @workgroup_size(16)
fn digits(@builtin(local_invocation_index) lane: u32) {
    var rest = input[lane] + 1u;
    while rest > 0u && depth < 4u {
        push(&stack, rest & 1u);
        rest >>= 1u;
    }
    output[lane] = stack[0] + depth;
}
