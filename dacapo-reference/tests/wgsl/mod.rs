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

use proptest::test_runner::Config;

/// How many programs a test runs: `DACAPO_TEST_PROGRAMS` says otherwise.
pub(crate) fn config(usual: u32) -> Config {
    let cases = match std::env::var("DACAPO_TEST_PROGRAMS") {
        Ok(text) => text.parse().expect("DACAPO_TEST_PROGRAMS is a number"),
        Err(_) => usual,
    };
    Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    }
}
