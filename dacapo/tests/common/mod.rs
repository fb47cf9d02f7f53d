//! What the tests of misuse and lifetime share.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(unused_imports, reason = "as above")]

mod cases;
mod devices;
mod double;
mod gate;

pub(crate) use dacapo_selftest::kit::{buffer, one, say, step_kernel};

pub(crate) use cases::{cases, config, players};
pub(crate) use devices::{device, metal, on_devices, on_metal, on_vulkan, reference, vulkan};
pub(crate) use double::reported;
pub(crate) use gate::Gate;
