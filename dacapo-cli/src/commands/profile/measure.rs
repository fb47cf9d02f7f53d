//! Running a model while its device is recorded.

use dacapo::{Device, ProfileLevel, Trace};
use dacapo_llm::decoder::{Sampling, Session};
use dacapo_profile::{Analysis, Distortion, Profile};

use crate::error::Result;
use crate::progress::Progress;

/// The label of decode steps.
pub(super) const DECODE: &str = "decode";

/// What is run: a prompt from an empty cache, then decode steps.
pub(super) struct Workload<'w> {
    pub(super) device: &'w Device,
    pub(super) session: Session,
    pub(super) prompt: &'w [u32],
    pub(super) tokens: usize,
    pub(super) repeat: usize,
}

/// Decode steps that make sure of everything that only happens once.
const WARM_UP: usize = 4;

impl Workload<'_> {
    /// Profiles the workload. At the level of dispatches it runs twice, the first time without them, to tell what noting
    /// them costs.
    pub(super) fn profile(&mut self, title: String, level: ProfileLevel) -> Result<Profile> {
        let runs = match level {
            ProfileLevel::Dispatches => 2,
            _ => 1,
        };
        let bar = Progress::items("measuring", "tokens", runs * self.repeat * self.tokens);
        let plain = self.record(ProfileLevel::Submissions, &mut |done| bar.set(done))?;
        let plain = Profile::new(title.as_str(), &plain);
        if level < ProfileLevel::Dispatches {
            return Ok(plain);
        }
        let before = self.repeat * self.tokens;
        let trace = self.record(level, &mut |done| bar.set(before + done))?;
        let mut profile = Profile::new(title, &trace);
        profile.distortion = distortion(&profile, &plain);
        Ok(profile)
    }

    /// Records the workload after a shorter one, which is not recorded.
    fn record(&mut self, level: ProfileLevel, progress: &mut dyn FnMut(usize)) -> Result<Trace> {
        let device = self.device;
        let warming = device.record(level)?;
        self.run(self.tokens.min(WARM_UP), &mut |_| {})?;
        warming.finish()?;
        let recorder = device.record(level)?;
        for round in 0..self.repeat {
            let before = round * self.tokens;
            self.run(self.tokens, &mut |done| progress(before + done))?;
        }
        Ok(recorder.finish()?)
    }

    fn run(&mut self, tokens: usize, progress: &mut dyn FnMut(usize)) -> Result<()> {
        let session = &mut self.session;
        session.clear();
        session.push(self.prompt, &mut |_| {})?;
        // The first token takes no forward pass of its own: it comes from the prompt's logits.
        session.next_token(&Sampling::GREEDY)?;
        for done in 0..tokens {
            session.next_token(&Sampling::GREEDY)?;
            progress(done + 1);
        }
        Ok(())
    }
}

fn distortion(profiled: &Profile, plain: &Profile) -> Option<Distortion> {
    let median = |profile: &Profile| {
        let analysis = Analysis::of(profile);
        Some(analysis.label(DECODE)?.device_ns.median)
    };
    Some(Distortion {
        label: DECODE.to_owned(),
        profiled_ns: median(profiled)?,
        unprofiled_ns: median(plain)?,
    })
}
