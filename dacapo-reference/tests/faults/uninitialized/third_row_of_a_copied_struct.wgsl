//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 48, fill = "iota_f32" }, { slot = 1, bytes = 192 }, { slot = 2, bytes = 192 }]

struct Ray {
    origin: vec3<f32>,
    direction: vec3<f32>,
    length: f32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> rays: array<Ray, 4>;
@group(0) @binding(2) var<storage, read_write> copies: array<Ray, 4>;

@compute @workgroup_size(4)
fn copy_rays(@builtin(local_invocation_index) lane: u32) {
    rays[lane].origin = vec3(input[lane * 3u], input[lane * 3u + 1u], input[lane * 3u + 2u]);
    rays[lane].direction = vec3(0.0, 0.0, 1.0);
    copies[lane] = rays[lane]; //~ uninitialized
}
