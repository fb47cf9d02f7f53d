//! How well a model predicts a text.

use crate::decoder::Session;
use crate::error::Result;

/// How likely a model found the tokens of a text, each after those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Likelihood {
    /// Tokens that had at least one other before them.
    pub tokens: usize,
    /// The sum of their negative log-likelihoods, in nats.
    pub nll: f64,
}

impl Likelihood {
    /// Scores `tokens` in windows of the session's capacity, which do not overlap. Each begins with `start`, if
    /// that is given, in place of a token of the text. Every token is scored that has another before it in its
    /// window. `progress` learns how many of `tokens` are done.
    ///
    /// The session's cache is overwritten.
    ///
    /// # Errors
    /// Those of [`Session::score`].
    pub fn of(
        session: &mut Session,
        tokens: &[u32],
        start: Option<u32>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Likelihood> {
        let mut sum = Likelihood::default();
        let room = session.capacity() - usize::from(start.is_some());
        let mut window = Vec::with_capacity(session.capacity());
        let mut done = 0;
        for part in tokens.chunks(room.max(1)) {
            window.clear();
            window.extend(start);
            window.extend_from_slice(part);
            // Nothing is left to predict from the last token.
            if let Some((_, given)) = window.split_last().filter(|(_, given)| !given.is_empty()) {
                session.score(given, &mut |position, logits| {
                    sum.add(logits, window[position + 1]);
                    progress(done + position);
                })?;
            }
            done += part.len();
            progress(done);
        }
        Ok(sum)
    }

    /// Negative log-likelihood of one token on average, in nats; not a number where no token was scored.
    pub fn mean_nll(&self) -> f64 {
        self.nll / self.tokens as f64
    }

    /// The exponential of [`mean_nll`](Self::mean_nll): of how many equally likely tokens the model would have to
    /// choose to be as unsure as it was.
    pub fn perplexity(&self) -> f64 {
        self.mean_nll().exp()
    }

    /// Counts a token that was predicted by `logits`, one for each token of the vocabulary.
    fn add(&mut self, logits: &[f32], token: u32) {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits
            .iter()
            .map(|logit| f64::from(logit - largest).exp())
            .sum();
        let own = logits
            .get(token as usize)
            .copied()
            .unwrap_or(f32::NEG_INFINITY);
        self.tokens += 1;
        self.nll += sum.ln() - f64::from(own - largest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_nats() {
        let mut sum = Likelihood::default();
        // Probabilities 1/2, 1/4, 1/4: 1 bit and 2 bits.
        let logits = [2f32.ln() + 300.0, 300.0, 300.0];
        sum.add(&logits, 0);
        sum.add(&logits, 2);
        let bits = 3.0 * 2f64.ln();
        assert!((sum.nll - bits).abs() < 1e-5, "{sum:?}");
        assert!((sum.perplexity() - 2f64.powf(1.5)).abs() < 1e-4);
    }

    #[test]
    fn a_certain_model_has_perplexity_one() {
        let mut sum = Likelihood::default();
        sum.add(&[-1e30, 0.0], 1);
        assert_eq!((sum.nll, sum.perplexity()), (0.0, 1.0));
    }
}
