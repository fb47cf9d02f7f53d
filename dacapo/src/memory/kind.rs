use core::fmt;

/// Where a buffer lives and who reaches it quickly.
///
/// Host reads and writes work on every kind; the kind says which of them are fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryKind {
    /// Fastest for the device. The host reaches it through staging copies where it is not unified.
    #[default]
    DeviceLocal,
    /// Written by the host, read by the device: uploads. Host reads may be slow (write-combined).
    HostVisible,
    /// Written by the device, read by the host: results. Cached on the host's side.
    HostCached,
    /// One memory for both sides, where the device has it; otherwise the same as [`MemoryKind::HostVisible`].
    Unified,
}

impl fmt::Display for MemoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryKind::DeviceLocal => "device-local",
            MemoryKind::HostVisible => "host-visible",
            MemoryKind::HostCached => "host-cached",
            MemoryKind::Unified => "unified",
        })
    }
}
