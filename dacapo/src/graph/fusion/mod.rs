//! Several nodes become one.

mod rule;

pub use rule::{FusionRule, Link, Match, Port, Unfit};
