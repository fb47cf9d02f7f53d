//! Likelihoods of tokens against the reference's logits.

mod common;

use common::{Reference, cpu, data, load, log_probability, session};
use dacapo_llm::perplexity::Likelihood;

/// The tiny models' reference has the logits that predict each token of `decode`.
#[test]
fn likelihoods_are_those_of_the_reference() {
    let index = std::fs::read(data("tiny/index.json")).unwrap();
    let references: Vec<Reference> = serde_json::from_slice(&index).unwrap();
    let device = cpu(2);
    for reference in &references {
        let file = std::fs::read(data("tiny").join(&reference.logits)).unwrap();
        let logits: Vec<f32> = file
            .chunks_exact(4)
            .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]))
            .collect();
        let rows = logits.chunks_exact(reference.vocabulary);
        let expected: f64 = rows
            .zip(&reference.decode)
            .map(|(row, &id)| -log_probability(row, id))
            .sum();

        let model = load(&device, &data("tiny").join(&reference.model));
        let mut session = session(&model, 128, 32);
        let mut nll = |tokens: &[u32], start| {
            let likelihood = Likelihood::of(&mut session, tokens, start, &mut |_| {}).unwrap();
            assert_eq!(
                likelihood.tokens,
                tokens.len() - usize::from(start.is_none())
            );
            likelihood.nll
        };
        let whole = [&reference.prompt[..], &reference.decode].concat();
        let found = nll(&whole, None) - nll(&reference.prompt, None);
        assert!(
            (found / expected - 1.0).abs() < 0.005,
            "{}: {found}, not {expected}",
            reference.model
        );

        // A start token is a token like another, given instead of scored.
        let (first, rest) = whole.split_first().unwrap();
        assert_eq!(nll(rest, Some(*first)), nll(&whole, None));
    }
}

/// Windows do not see each other, and end where the cache does.
#[test]
fn windows_are_scored_on_their_own() {
    let model = load(&cpu(1), &data("tiny/qwen2"));
    let tokens: Vec<u32> = (0..25).map(|at| at * 11 % 288).collect();
    let of = |tokens: &[u32], start, capacity| {
        let mut done = Vec::new();
        let mut session = session(&model, capacity, 16);
        let sum = Likelihood::of(&mut session, tokens, start, &mut |at| done.push(at)).unwrap();
        assert!(
            done.is_sorted() && done.last() == Some(&tokens.len()),
            "{done:?}"
        );
        sum
    };
    for start in [None, Some(3)] {
        let capacity = 10 + usize::from(start.is_some());
        let windows = tokens.chunks(10).map(|window| of(window, start, 200));
        let (count, nll) =
            windows.fold((0, 0.0), |(count, nll), w| (count + w.tokens, nll + w.nll));
        let found = of(&tokens, start, capacity);
        assert_eq!(found.tokens, count);
        assert!((found.nll - nll).abs() < 1e-9 * nll, "{found:?}, not {nll}");
    }
    // One token alone has nothing to be predicted from.
    assert_eq!(of(&tokens[..1], None, 10), Likelihood::default());
}
