//! Random WGSL programs that are correct: well typed, without races, and with an end.
//!
//! Integers and booleans are the same on any device, bit for bit. So are floats, except for those in
//! [`Program::ROUGH`]: all others are whole multiples of a power of two that is large enough for every sum and product to
//! be exact, in whatever order a compiler puts them ([`exact`]).

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(unused_imports, reason = "as above")]

mod booleans;
mod exact;
mod floats;
mod integers;
mod places;
mod program;
mod rough;
mod scope;
mod statements;
mod tree;
mod words;

pub(crate) use program::{Program, programs};
pub(crate) use rough::Tolerance;
