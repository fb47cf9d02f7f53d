//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "random" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn unpack_six_bits(@builtin(local_invocation_index) lane: u32) {
    let bit = lane * 6u;
    let word = bit / 32u;
    let offset = bit % 32u;
    let high = (words[word + 1u] << 1u) << (31u - offset);
    output[lane] = ((words[word] >> offset) | high) & 63u;
}
