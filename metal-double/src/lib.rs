//! A test double of Apple's Metal for Linux.
//!
//! `libmetal_double.so` takes the place of Metal.framework: the classes of Metal's compute part, written over GCC's Objective-C
//! runtime and GNUstep's Foundation, the functions and constants that objc2-metal links to, and the entry points of automatic
//! reference counting that GCC's runtime lacks. Command buffers run asynchronously, in commit order, on one thread per queue;
//! kernels are compiled from their MSL text and run on the CPU over the buffers' memory.
//!
//! What Metal's validation layer refuses is refused here, in its words, with an abort; and what nothing on a real device would
//! notice is noticed: missing barriers and fences, accesses outside what is bound, resources that were let go too early.
//! [`control`] has what tests need on top: counts, live objects, faults on demand, and collecting failures instead of aborting.
//!
//! What it is not: a measure of how fast a GPU would be, or of what Apple's compiler accepts.

#![allow(
    unsafe_code,
    reason = "the Objective-C runtime's interface is made of raw objects and entry points"
)]
#![warn(
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc,
    missing_debug_implementations
)]

pub mod control;
pub mod counts;
pub mod ledger;
pub mod msl;
pub mod rules;
pub mod settings;

mod archive;
mod blit_encoder;
mod capture;
mod checks;
mod command_buffer;
mod compute_encoder;
mod counters;
mod device;
mod encoding;
mod errors;
mod event;
mod executor;
mod faults;
mod hazards;
mod held;
mod indirect;
mod library;
mod memory;
mod names;
mod object;
mod order;
mod pass;
mod pipeline;
mod queue;
mod residency;
mod root;
mod runtime;
mod shadow;
mod time;

/// Runs when the library is loaded: classes that a program makes by name must exist before it asks for them.
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    objc2::rc::autoreleasepool(|_| {
        root::register();
        names::fill();
        library::register();
        pipeline::register();
        counters::register();
        residency::register();
        indirect::register();
        archive::register();
        capture::register();
        command_buffer::register();
    });
}
