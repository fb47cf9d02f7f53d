//! Soft limit of logits, `cap * tanh(x / cap)` (Gemma 2, section 2.2).

pub mod cpu;
