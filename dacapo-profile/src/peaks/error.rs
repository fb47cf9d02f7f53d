/// Why a device could not be measured.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeaksError {
    /// The device refused or failed.
    #[error(transparent)]
    Runtime(#[from] dacapo::Error),
    /// There is no room for what has to be read and written.
    #[error("{device}: measuring its memory takes at least {needed} free bytes; {free} are free")]
    NoMemory {
        /// The device's name.
        device: Box<str>,
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be.
        needed: u64,
    },
    /// A kernel did not compute what it should have, so that its time means nothing.
    #[error("{device}: the kernel {kernel} gave {found} where {expected} is right")]
    Wrong {
        /// The device's name.
        device: Box<str>,
        /// The kernel.
        kernel: &'static str,
        /// What it gave.
        found: u64,
        /// What is right.
        expected: u64,
    },
}

/// The result of measuring something.
pub(super) type Result<T> = core::result::Result<T, PeaksError>;

/// That what a kernel gave is right.
pub(super) fn check(
    device: &dacapo::Device,
    kernel: &'static str,
    found: u64,
    expected: u64,
) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(PeaksError::Wrong {
            device: device.info().name.as_str().into(),
            kernel,
            found,
            expected,
        }),
    }
}
