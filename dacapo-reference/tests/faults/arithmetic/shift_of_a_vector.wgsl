//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [1, 2, 3, 4] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: vec4<i32>;
@group(0) @binding(1) var<storage, read_write> output: vec4<i32>;

@compute @workgroup_size(1)
fn scale() {
    output = input << (vec4<u32>(input) * 8u); //~ arithmetic
}
