//! One module per subcommand.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod devices;
pub(crate) mod generate;
pub(crate) mod graph;
pub(crate) mod inspect;
pub(crate) mod perplexity;
pub(crate) mod profile;
pub(crate) mod replay;
pub(crate) mod selftest;
pub(crate) mod tokenize;
pub(crate) mod tune;

/// How a command ended, if not with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    /// A check has found something.
    Found,
    Interrupted,
}
