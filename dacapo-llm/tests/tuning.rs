//! Tuning a tiny model's decode step, where a device has kernels of several shapes.

mod common;

use std::time::Duration;

use common::{cosine, data, fast_devices, load, session};
use dacapo::Device;
use dacapo_llm::tuning::{Knob, Settings, TuneOptions, tune};
use dacapo_llm::{DecoderError, Error, Model, Sampling};

/// Least cosine between logits before and after, as between ours and a reference's.
const COSINE: f64 = 0.9995;

fn tiny(device: &Device) -> Model {
    load(device, &data("tiny/llama-gqa.q4_1.gguf"))
}

/// The knob of chains, whose workgroups wait for each other: with more than one a unit they do so in vain on a device that
/// runs them one after the other, as Mesa's software device does, which is an error.
const WAITING: &str = "workgroups a unit";

fn options(context: usize) -> TuneOptions {
    let mut options = TuneOptions::default();
    options.context = context;
    // Mesa's software device compiles a chain for seconds.
    options.limit = Duration::from_secs(600);
    options
}

fn logits(model: &Model) -> Vec<f32> {
    let mut session = session(model, 64, 16);
    session.push(&[5, 17, 200, 31], &mut |_| {}).unwrap();
    for _ in 0..3 {
        session.next_token(&Sampling::GREEDY).unwrap();
    }
    session.logits().unwrap()
}

#[test]
fn tuning_ends_and_changes_no_answer() {
    for device in fast_devices() {
        let model = tiny(&device);
        let before = logits(&model);
        let (mut tried, mut waiting) = (0, 0);
        let report = tune(&model, &options(32), &mut |progress| {
            tried += 1;
            waiting += usize::from(progress.name.ends_with(WAITING) && progress.value > 1);
        });
        let report = report.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!(
            (!report.knobs.is_empty(), tried > 0),
            (device.gpu().is_some(), device.gpu().is_some())
        );
        assert!(
            report.candidates <= tried && report.failed <= waiting,
            "{report:?}"
        );
        assert!(
            !report.before.is_zero() && !report.after.is_zero(),
            "{report:?}"
        );
        let settings = model.tuning().settings();
        for change in &report.changes {
            assert!(
                settings.contains_key(&change.name),
                "{change:?}, {settings:?}"
            );
        }
        let after = logits(&model);
        assert!(cosine(&before, &after) > COSINE);
    }
}

#[test]
fn any_settings_give_the_same_answer_in_a_session_that_is_open() {
    for device in fast_devices() {
        let model = tiny(&device);
        model.tuning().record(true);
        let mut session = session(&model, 64, 16);
        session.push(&[5, 17, 200, 31], &mut |_| {}).unwrap();
        session.next_token(&Sampling::GREEDY).unwrap();
        session.next_token(&Sampling::GREEDY).unwrap();
        let knobs = model.tuning().knobs();
        assert_eq!(knobs.is_empty(), device.gpu().is_none());
        let usual = session.logits().unwrap();
        for last in [false, true] {
            let pick = |knob: &Knob| match last {
                true if knob.key.dimension == WAITING => Some(1),
                true => knob.allowed.last().copied(),
                false => knob.allowed.first().copied(),
            };
            let settings: Settings = (knobs.iter())
                .filter_map(|knob| Some((knob.name(), pick(knob)?)))
                .collect();
            model.tuning().apply(settings.clone());
            let mut other = common::session(&model, 64, 16);
            other.push(&[5, 17, 200, 31], &mut |_| {}).unwrap();
            other.next_token(&Sampling::GREEDY).unwrap();
            other.next_token(&Sampling::GREEDY).unwrap();
            assert!(cosine(&usual, &other.logits().unwrap()) > COSINE);
            session.next_token(&Sampling::GREEDY).unwrap();
            for knob in model.tuning().knobs() {
                let set = settings.get(&knob.name());
                assert!(set.is_none_or(|set| !knob.allowed.contains(set) || *set == knob.value));
            }
        }
    }
}

#[test]
fn a_context_that_the_model_has_not_is_refused() {
    let model = tiny(&common::cpu(1));
    for context in [0, model.config().context_length] {
        match tune(&model, &options(context), &mut |_| {}) {
            Err(Error::Decoder(DecoderError::Option {
                option: "context",
                found,
                ..
            })) => {
                assert_eq!(found, context);
            }
            other => panic!("{other:?}"),
        }
    }
}
