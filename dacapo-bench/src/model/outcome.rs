//! What was measured of models: data for a file, and for tables and charts.

use serde::Serialize;

use super::protocol::{Loaded, Measure, Measured};
use crate::stats::Figure;

/// Changes with what the fields mean.
pub const SCHEMA: u32 = 1;

/// One run of the bench over models.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub schema: u32,
    pub cores: usize,
    /// Threads that wanted to run in the minute before, on average.
    pub busy: Option<f64>,
    pub rounds: usize,
    /// Tokens of a prompt behind a context.
    pub prompt: usize,
    /// Tokens decoded at a context.
    pub generate: usize,
    pub interval: String,
    pub models: Vec<Measurement>,
}

/// One model, and everybody who ran it.
#[derive(Debug, Serialize)]
pub struct Measurement {
    pub model: String,
    pub weight_bytes: u64,
    /// What the reader should know, such as contexts that were left out.
    pub notes: Vec<String>,
    /// dacapo first.
    pub contestants: Vec<Contested>,
}

#[derive(Debug, Serialize)]
pub struct Contested {
    pub name: String,
    #[serde(flatten)]
    pub loaded: Loaded,
    /// The most bytes of its process, mapped files included.
    pub peak_bytes: Option<u64>,
    /// Bytes on a GPU.
    pub device_bytes: Option<u64>,
    pub points: Vec<Point>,
}

/// Speeds at one context.
#[derive(Debug, Serialize)]
pub struct Point {
    pub context: usize,
    /// Of the context itself, from an empty cache; none for a context of 0.
    pub fill_tok_s: Option<Figure>,
    /// Of the prompt behind the context; none from whoever cannot put one there.
    pub prefill_tok_s: Option<Figure>,
    pub decode_tok_s: Figure,
    /// Milliseconds a decoded token.
    pub decode_ms: Figure,
    /// dacapo's speed over this contestant's; none for dacapo itself.
    pub ratio: Option<Ratio>,
}

/// Ratios of speeds within a round.
#[derive(Debug, Serialize)]
pub struct Ratio {
    pub fill: Option<Figure>,
    pub prefill: Option<Figure>,
    pub decode: Figure,
}

/// A point of one contestant, beside the first, which is dacapo; `None` without samples.
pub fn point(measure: Measure, ours: Option<&[Measured]>, theirs: &[Measured]) -> Option<Point> {
    let (context, tokens) = (measure.context, measure.generate as f64);
    let all = |of: &dyn Fn(&Measured) -> Option<f64>| -> Option<Figure> {
        Figure::new(theirs.iter().map(of).collect::<Option<_>>()?)
    };
    let ratio = |of: &dyn Fn(&Measured) -> Option<f64>| -> Option<Figure> {
        let pairs = ours?.iter().zip(theirs);
        Figure::new(
            pairs
                .map(|(our, their)| Some(of(their)? / of(our)?))
                .collect::<Option<_>>()?,
        )
    };
    let fill = |times: &Measured| Some(times.fill).filter(|_| context > 0);
    let decode = |times: &Measured| Some(times.decode);
    let prefill = |times: &Measured| times.prefill;
    Some(Point {
        context,
        fill_tok_s: all(&|times| Some(context as f64 / fill(times)?)),
        prefill_tok_s: all(&|times| Some(measure.prompt as f64 / prefill(times)?)),
        decode_tok_s: all(&|times| Some(tokens / decode(times)?))?,
        decode_ms: all(&|times| Some(decode(times)? * 1e3 / tokens))?,
        ratio: ratio(&decode).map(|decode| Ratio {
            fill: ratio(&fill),
            prefill: ratio(&prefill),
            decode,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_within_a_round() {
        let measure = Measure {
            context: 100,
            prompt: 50,
            generate: 10,
        };
        let times = |fill, decode, prefill| Measured {
            fill,
            decode,
            prefill: Some(prefill),
        };
        // The machine is half as fast in the second round, which no ratio shows.
        let ours = [times(1.0, 0.1, 0.5), times(2.0, 0.2, 1.0)];
        let theirs = [times(4.0, 0.2, 1.5), times(8.0, 0.4, 3.0)];
        let found = point(measure, None, &ours).expect("a point");
        assert_eq!(found.decode_tok_s.median, 75.0);
        assert_eq!(found.decode_ms.interval, [10.0, 20.0]);
        assert!(found.ratio.is_none());
        let found = point(measure, Some(&ours), &theirs).expect("a point");
        let prefill = found.prefill_tok_s.expect("prompts");
        assert_eq!(prefill.interval, [50.0 / 3.0, 50.0 / 1.5]);
        let ratio = found.ratio.expect("a ratio");
        assert_eq!(ratio.decode.interval, [2.0, 2.0]);
        assert_eq!(
            ratio.prefill.map(|figure| figure.interval),
            Some([3.0, 3.0])
        );
        assert_eq!(ratio.fill.map(|figure| figure.median), Some(4.0));
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let measure = Measure {
            context: 0,
            prompt: 5,
            generate: 1,
        };
        let ours = [Measured {
            fill: 1.0,
            decode: 1.0,
            prefill: Some(1.0),
        }];
        let theirs = [Measured {
            prefill: None,
            ..ours[0]
        }];
        let found = point(measure, Some(&ours), &theirs).expect("a point");
        assert!(found.fill_tok_s.is_none() && found.prefill_tok_s.is_none());
        let ratio = found.ratio.expect("a ratio");
        assert!(ratio.fill.is_none() && ratio.prefill.is_none());
        assert!(point(measure, Some(&ours), &[]).is_none());
    }
}
