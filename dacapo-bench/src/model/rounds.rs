//! Contestants in turns.

use std::time::{Duration, Instant};

use super::process::Contestant;
use super::protocol::{Ask, Measure, Measured, Times};
use crate::work::Result;

/// One contestant's samples at one context, a round each; or why it has none.
pub type Samples = std::result::Result<Vec<Measured>, String>;

/// Has each contestant do the work once without counting, then again for as long as `warm_up`, then `rounds` times. Somebody
/// else begins each round. Whoever cannot do it does not take part.
pub fn take_turns(
    contestants: &mut [Contestant],
    measure: Measure,
    rounds: usize,
    warm_up: Duration,
) -> Result<Vec<Samples>> {
    let ask = Ask::Measure(measure);
    let mut samples: Vec<Samples> = Vec::new();
    for contestant in contestants.iter_mut() {
        samples.push(counted(contestant, &ask)?.map(|_| Vec::new()));
    }
    // What compiles kernels leaves a GPU idle, and its clock falls.
    let compiled = Instant::now();
    while compiled.elapsed() < warm_up {
        for (contestant, _) in contestants
            .iter_mut()
            .zip(&samples)
            .filter(|(_, s)| s.is_ok())
        {
            counted(contestant, &ask)??;
        }
    }
    for round in 0..rounds {
        eprintln!(
            "context {}: round {} of {rounds}",
            measure.context,
            round + 1
        );
        for at in turns(contestants.len(), round) {
            if let Ok(found) = &mut samples[at] {
                found.push(counted(&mut contestants[at], &ask)??);
            }
        }
    }
    Ok(samples)
}

/// A measurement whose times can be times.
fn counted(
    contestant: &mut Contestant,
    ask: &Ask,
) -> Result<std::result::Result<Measured, String>> {
    let name = contestant.name().to_owned();
    let measured = match contestant.ask(ask)? {
        Times::Measured(measured) => measured,
        Times::Cannot { cannot } => return Ok(Err(format!("{name}: {cannot}"))),
    };
    let times = [Some(measured.fill), Some(measured.decode), measured.prefill];
    let possible = |time: &f64| time.is_finite() && *time > 0.0;
    match times.iter().flatten().all(possible) {
        true => Ok(Ok(measured)),
        false => Err(format!("{name} answers nonsense: {times:?} s; times are above 0").into()),
    }
}

/// Who comes when.
fn turns(contestants: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..contestants).map(move |at| (at + round) % contestants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_begins_once() {
        let order = |round| turns(3, round).collect::<Vec<_>>();
        assert_eq!(order(0), [0, 1, 2]);
        assert_eq!(order(1), [1, 2, 0]);
        assert_eq!(order(2), [2, 0, 1]);
        assert_eq!(order(3), order(0));
    }

    #[cfg(unix)]
    #[test]
    fn rounds_are_rows_of_samples() {
        let peer = |decode: &str| {
            let answer = match decode {
                "" => r#"{"cannot": "too long"}"#.to_owned(),
                decode => format!(r#"{{"fill": 1, "decode": {decode}, "prefill": null}}"#),
            };
            let script = format!("while read ask; do echo '{answer}'; done");
            let command = ["sh", "-c", &script].map(str::to_owned);
            let limit = std::time::Duration::from_secs(20);
            Contestant::start("peer", &command, 1, limit).expect("a peer")
        };
        let measure = Measure {
            context: 0,
            prompt: 1,
            generate: 1,
        };
        let mut peers = [peer("2"), peer(""), peer("3")];
        let samples =
            take_turns(&mut peers, measure, 3, Duration::from_millis(1)).expect("samples");
        let decode = |at: usize| {
            let found: &Vec<Measured> = samples[at].as_ref().expect("samples");
            found.iter().map(|each| each.decode).collect::<Vec<_>>()
        };
        assert_eq!((decode(0), decode(2)), (vec![2.0; 3], vec![3.0; 3]));
        assert_eq!(samples[1], Err("peer: too long".to_owned()));
        let error = take_turns(&mut [peer("0")], measure, 1, Duration::ZERO).expect_err("no time");
        assert!(
            error.to_string().contains("peer answers nonsense"),
            "{error}"
        );
    }
}
