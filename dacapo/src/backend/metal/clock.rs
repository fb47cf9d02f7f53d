use objc2::runtime::ProtocolObject;
use objc2_metal::MTLDevice;
use std::time::{Duration, Instant};
pub(super) struct Clock;
impl Clock {
    pub(super) fn new(_: &ProtocolObject<dyn MTLDevice>) -> Clock {
        Clock
    }
    pub(super) fn submission(&self, s: [f64; 2]) -> [Instant; 2] {
        let n = Instant::now();
        [n - Duration::from_secs_f64((s[1] - s[0]).max(0.0)), n]
    }
    pub(super) fn error(&self) -> Option<Duration> {
        None
    }
}
