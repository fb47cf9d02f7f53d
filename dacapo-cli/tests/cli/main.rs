//! The `dacapo` program as a user runs it, on the tiny models of `dacapo-llm/tests/data`.

mod check;
mod devices;
mod errors;
mod generate;
mod graph;
mod help;
#[cfg(unix)]
mod interrupt;
mod measure;
mod planning;
mod profile;
mod replay;
mod run;
mod selftest;
mod show;
mod tune;
