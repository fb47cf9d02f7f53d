struct Params {
    width: u32,
}
var<immediate> p: Params;

@group(0) @binding(1) var<storage, read_write> ids: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let thread = Thread(index, subgroup, lane);
    let quads = (p.width + 3u) >> 2u;
    for (var row = group.x; row < arrayLength(&ids); row += groups.x) {
        var best = 0u;
        var at = 0xffffffffu;
        for (var quad = index; quad < quads; quad += WORKGROUP) {
            let bits = load_quad(row, quad);
            for (var i = 0u; i < 4u; i++) {
                let key = ordered(bits[i]);
                if key > best {
                    best = key;
                    at = 4u * quad + i;
                }
            }
        }
        let greatest = workgroup_max(thread, best);
        let first = workgroup_min(thread, select(0xffffffffu, at, best == greatest));
        if index == 0u {
            ids[row] = first;
        }
    }
}
