use crate::error::{Error, Fault};

/// What a driver answered instead of doing what it was asked for, in its own words.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// The device is gone, for good.
    Lost(Box<str>),
    /// There is no memory left.
    OutOfMemory(Box<str>),
    /// The validation layer complained.
    Validation(Box<str>),
    /// Anything else.
    Other(Box<str>),
}

impl Refused {
    pub(crate) fn into_reason(self) -> Box<str> {
        match self {
            Refused::Lost(reason)
            | Refused::OutOfMemory(reason)
            | Refused::Validation(reason)
            | Refused::Other(reason) => reason,
        }
    }

    /// As the error of a call to `device`.
    pub(crate) fn into_error(self, device: &str) -> Error {
        let device = device.into();
        match self {
            Refused::Lost(reason) => Error::DeviceLost { device, reason },
            other => Error::Driver {
                device,
                reason: other.into_reason(),
            },
        }
    }

    /// As the failure of a submission.
    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Refused::Lost(reason) => Fault::DeviceLost(reason),
            Refused::OutOfMemory(reason) => Fault::OutOfMemory(reason),
            Refused::Validation(reason) | Refused::Other(reason) => Fault::Driver(reason),
        }
    }
}
