//! The next token, drawn on the device.
//!
//! In this order: logits divided by `temperature`; the `top_k` greatest kept; of the distribution over
//! those the smallest set of most likely ones with a joint probability of at least `top_p` (Holtzman et
//! al. 2020, nucleus sampling); of those the ones at least `min_p` times as likely as the likeliest
//! (Nguyen et al. 2024). Among equals lower ids go first. One of what is left is drawn in proportion.
//!
//! The draw is a function of the seed and the position alone: [`philox`] with the seed as key and the
//! position as counter.

mod cpu;
pub mod philox;
mod select;
#[cfg(test)]
mod tests;

/// How a token is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleParams {
    /// Divides the logits; 0 takes the greatest logit, the lowest id among equals.
    pub temperature: f32,
    /// How many of the greatest logits are kept; 0 for all.
    pub top_k: u32,
    /// Joint probability of the tokens kept, in 0..=1; 1 keeps all, 0 only the likeliest.
    pub top_p: f32,
    /// Least probability kept, relative to the likeliest token, in 0..=1; 0 keeps all.
    pub min_p: f32,
    /// Key of the generator.
    pub seed: u64,
}

impl SampleParams {
    /// Always the greatest logit.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: 0,
    };
}
