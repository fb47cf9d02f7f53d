//! The step from one token to the next, on the device: no host value is needed between decode steps.

mod cpu;
