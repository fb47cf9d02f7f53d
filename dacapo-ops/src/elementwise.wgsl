// One element after the other. The operation, which follows, declares its buffers and
//   fn count() -> u32                   elements in all,
//   fn result(i: u32) -> f32            the new value of element i,
//   fn store(i: u32, value: f32)        where it goes.

const THREADS = 256u;

// What faces element i in a tensor of this length, which may be one row for all rows.
fn facing(i: u32, length: u32) -> u32 {
    if i < length {
        return i;
    }
    return i % length;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(global_invocation_id) thread: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let end = count();
    let step = groups.x * THREADS;
    var i = thread.x;
    // Four at a time, so that their loads are under way together.
    for (; i + 3u * step < end; i += 4u * step) {
        let a = result(i);
        let b = result(i + step);
        let c = result(i + 2u * step);
        let d = result(i + 3u * step);
        store(i, a);
        store(i + step, b);
        store(i + 2u * step, c);
        store(i + 3u * step, d);
    }
    for (; i < end; i += step) {
        store(i, result(i));
    }
}
