struct Params {
    heads: u32,
    kv_heads: u32,
    capacity: u32,
    /// Workgroups along y.
    splits: u32,
    scale: f32,
    /// 0 for none.
    softcap: f32,
}
var<immediate> p: Params;
