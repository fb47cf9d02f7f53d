use serde::{Deserialize, Serialize};

/// What a device can do at most, as measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Bytes read from memory in a second, far more than caches hold.
    pub read_bytes_per_second: f64,
    /// Bytes copied in a second; each is read once and written once, and counts once.
    pub copy_bytes_per_second: f64,
    /// Operations of f32 multiplications and additions in a second.
    pub f32_operations_per_second: f64,
    /// Operations of f16 matrix products in a second, summed in f32; `None` where the device has none.
    pub f16_matrix_operations_per_second: Option<f64>,
    /// What one more dispatch costs in a wave of dispatches that do nothing, in nanoseconds.
    pub dispatch_ns: f64,
    /// What one more barrier costs between dispatches that do nothing, beyond the dispatch, in nanoseconds.
    pub barrier_ns: f64,
    /// What launching prepared commands costs the caller, in nanoseconds.
    pub launch_ns: f64,
    /// From the launch of one dispatch that does nothing until its caller has seen that it is complete, in nanoseconds.
    pub round_trip_ns: f64,
}
