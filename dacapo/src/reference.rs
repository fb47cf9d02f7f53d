//! What the device `reference` is asked for, and what it found.
//!
//! It runs the WGSL form of kernels in an interpreter, on any machine and without a driver, and reports what is wrong
//! with them and with the commands that run them: accesses out of bounds, reads of what nobody wrote, races, missing
//! barriers and more ([`Kind`]). A submission during which something was reported fails with
//! [`Fault::Check`](crate::Fault::Check), unless [`ReferenceOptions::collect`] is set.
//!
//! ```
//! use dacapo::{Backend, Device, DeviceOptions, DeviceSelector, reference};
//!
//! let device = Device::open(&DeviceOptions {
//!     device: DeviceSelector::Backend(Backend::Reference),
//!     ..DeviceOptions::default()
//! })?;
//! let reports = reference::reports(&device).expect("it is the reference device");
//! assert!(reports.is_empty());
//! # Ok::<(), dacapo::Error>(())
//! ```

use core::any::Any;
use std::sync::Arc;

use crate::backend::reference::ReferenceDevice;
use crate::device::Device;

pub use dacapo_reference::Order;
pub use dacapo_reference::report::{Access, Kind, Party, Place, Report, Reports, Site};

pub use crate::options::ReferenceOptions;

/// What `device` has reported so far, and where it adds what it will; `None` for a device of another backend.
pub fn reports(device: &Device) -> Option<Arc<Reports>> {
    let backend: &dyn Any = &*device.core.backend;
    let reference: &ReferenceDevice = backend.downcast_ref()?;
    Some(reference.reports().clone())
}
