//! A runtime that turns many small GPU kernels into few submissions.
