@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> positions: array<u32>;

const THREADS = 64u;

// One workgroup: there is a number for each sequence.
@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32) {
    let count = arrayLength(&ids);
    for (var i = thread; i < count; i += THREADS) {
        tokens[i] = ids[i];
        let position = positions[i];
        positions[i] = position + select(1u, 0u, position == 0xffffffffu);
    }
}
