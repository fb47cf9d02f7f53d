//! The greatest logits and their indices, in order.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
