//! groups = [2, 1, 1]
//! subgroup = 8
//! buffers = [{ slot = 0, bytes = 100, fill = "random" }, { slot = 1, bytes = 100 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn maximum(@builtin(global_invocation_id) id: vec3<u32>) {
    let length = arrayLength(&input);
    let largest = subgroupMax(input[min(id.x, length - 1u)]);
    if id.x < length {
        output[id.x] = largest;
    }
}
