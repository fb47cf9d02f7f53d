// What the kernels over memory share. A workgroup takes `per_group` elements of 16 bytes each, one after the other.

struct Params {
    per_group: u32,
    // The number of the first u32.
    first: u32,
}

var<immediate> params: Params;

const THREADS = 256u;
