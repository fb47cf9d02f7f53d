//! Which token is chosen from logits, in f64.

use dacapo_ops::sample::SampleParams;
use dacapo_ops::sample::philox::uniform;

/// The tokens that may be drawn, the likeliest first, with the borders between them in 0..1; of samplings that use
/// temperature and `top_k` only.
pub(crate) struct Draw {
    seed: u64,
    tokens: Vec<u32>,
    /// Of each token, where its part ends.
    ends: Vec<f64>,
    greedy: bool,
    logits: Vec<f32>,
}

impl Draw {
    pub(crate) fn new(logits: &[f32], params: &SampleParams) -> Draw {
        let mut tokens: Vec<u32> = (0..logits.len() as u32).collect();
        let logit = |id: u32| logits[id as usize];
        tokens.sort_by(|a, b| logit(*b).total_cmp(&logit(*a)).then(a.cmp(b)));
        let greedy = params.temperature == 0.0;
        match params.top_k as usize {
            _ if greedy => tokens.truncate(1),
            0 => {}
            k => tokens.truncate(k),
        }
        let most = tokens.first().map_or(0.0, |id| logit(*id));
        let weight = |id: &u32| match greedy {
            true => 1.0,
            false => (f64::from(logit(*id) - most) / f64::from(params.temperature)).exp(),
        };
        let weights: Vec<f64> = tokens.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let ends = weights.iter().map(|weight| {
            sum += weight / total;
            sum
        });
        Draw {
            seed: params.seed,
            ends: ends.collect(),
            tokens,
            greedy,
            logits: logits.to_vec(),
        }
    }

    /// The token at a position.
    pub(crate) fn token(&self, position: u32) -> u32 {
        let random = uniform(self.seed, position);
        let at = self.ends.iter().position(|end| random < *end);
        let last = self.tokens.len() - 1;
        self.tokens[at.unwrap_or(last)]
    }

    /// Whether a token would be chosen if logits or borders were off by `share` of their range.
    pub(crate) fn is_near(&self, token: u32, position: u32, share: f64) -> bool {
        if self.greedy {
            let spread = self
                .logits
                .iter()
                .fold(0.0f32, |most, logit| most.max(logit.abs()));
            let [best, this] = [self.tokens[0], token].map(|id| self.logits.get(id as usize));
            return match (best, this) {
                (Some(best), Some(this)) => f64::from(best - this) <= share * f64::from(spread),
                _ => false,
            };
        }
        let random = uniform(self.seed, position);
        let found = self.tokens.iter().position(|id| *id == token);
        found.is_some_and(|at| {
            let start = if at == 0 { 0.0 } else { self.ends[at - 1] };
            (start - share..=self.ends[at] + share).contains(&random)
        })
    }
}
