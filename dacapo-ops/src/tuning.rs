//! Shapes of kernels that a device was found to run best with.
//!
//! Operations that can cut their work in several ways ask a [`Tuning`], which answers with what was set, or with the
//! operation's own choice. Whoever tunes lets a [`Tuning`] note what is asked for ([`Tuning::record`]), and tries other
//! values of these [`Knob`]s. Sums may be added in another order with another shape, so results may differ in their last
//! bits.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::dtype::DType;

/// Values by the names of their knobs.
pub type Settings = BTreeMap<String, u32>;

/// One thing that an operation can choose, for one problem. Its text is the name of its knob and the same in every
/// version, such as `matvec_each bf16 3072x2048 x1 rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The operation.
    pub op: &'static str,
    /// Type of what most of its memory traffic reads.
    pub dtype: DType,
    /// Rows of that.
    pub rows: u32,
    /// Columns of that.
    pub cols: u32,
    /// Tokens.
    pub tokens: u32,
    /// What there is to choose.
    pub dimension: &'static str,
}

impl Key {
    /// Whether both belong to one operation on one problem.
    #[must_use]
    pub fn is_beside(&self, other: &Key) -> bool {
        let dimension = self.dimension;
        Key {
            dimension,
            ..*other
        } == *self
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key {
            op,
            dtype,
            rows,
            cols,
            tokens,
            dimension,
        } = self;
        let dtype = dtype.name().to_lowercase();
        write!(f, "{op} {dtype} {rows}x{cols} x{tokens} {dimension}")
    }
}

/// What an operation has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// What is chosen.
    pub key: Key,
    /// What could have been answered the last time.
    pub allowed: Vec<u32>,
    /// What was answered the last time.
    pub value: u32,
    /// What is answered where nothing is set.
    pub default: u32,
    /// How often it was asked for.
    pub asked: u64,
}

impl Knob {
    /// The name of its setting.
    pub fn name(&self) -> String {
        self.key.to_string()
    }
}

/// The settings of a device's operations. Clones share them.
#[derive(Clone, Default)]
pub struct Tuning {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether anything is set, or noted.
    active: AtomicBool,
    /// Counts changes of settings.
    version: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    recording: bool,
    settings: Settings,
    /// What was asked for since the last change: the setting, if there is one, and what is noted.
    known: HashMap<Key, (Option<u32>, Option<Knob>)>,
}

impl Tuning {
    /// What to choose for `key`: what is set if it is `default`, or one of `candidates` that `fits`; `default` otherwise.
    ///
    /// Costs one load while nothing is set and nobody records.
    pub fn choose(
        &self,
        key: Key,
        default: u32,
        candidates: &[u32],
        fits: impl Fn(u32) -> bool,
    ) -> u32 {
        if !self.shared.active.load(Ordering::Acquire) {
            return default;
        }
        let mut state = self.shared.state.lock();
        let State {
            recording,
            settings,
            known,
        } = &mut *state;
        let (set, noted) = known
            .entry(key)
            .or_insert_with(|| (settings.get(&key.to_string()).copied(), None));
        let is_allowed = |value| value == default || candidates.contains(&value) && fits(value);
        let value = set.filter(|set| is_allowed(*set)).unwrap_or(default);
        if *recording {
            let asked = noted.as_ref().map_or(0, |noted| noted.asked);
            let allowed = candidates.iter().copied();
            *noted = Some(Knob {
                key,
                allowed: allowed.filter(|value| is_allowed(*value)).collect(),
                value,
                default,
                asked: asked + 1,
            });
        }
        value
    }

    /// Begins or ends to note what is asked for; what was noted before is forgotten.
    pub fn record(&self, recording: bool) {
        let mut state = self.shared.state.lock();
        state.recording = recording;
        self.forget(&mut state);
    }

    /// What has been asked for since the last change of settings or of [`Tuning::record`], by name.
    pub fn knobs(&self) -> Vec<Knob> {
        let state = self.shared.state.lock();
        let mut knobs: Vec<Knob> = (state.known.values())
            .filter_map(|(_, noted)| noted.clone())
            .collect();
        knobs.sort_by_cached_key(Knob::name);
        knobs
    }

    /// What is set.
    pub fn settings(&self) -> Settings {
        self.shared.state.lock().settings.clone()
    }

    /// Replaces all settings. Names that nobody asks for, and values that do not fit, count for nothing. Commands that
    /// have been encoded stay as they are.
    pub fn apply(&self, settings: Settings) {
        let mut state = self.shared.state.lock();
        if state.settings != settings {
            state.settings = settings;
            self.shared.version.fetch_add(1, Ordering::Release);
        }
        self.forget(&mut state);
    }

    /// Changes one setting.
    pub fn set(&self, name: &str, value: u32) {
        let mut settings = self.settings();
        settings.insert(name.to_owned(), value);
        self.apply(settings);
    }

    /// Changes with the settings: what was encoded at another version may be cut in another way.
    pub fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    fn forget(&self, state: &mut State) {
        state.known.clear();
        let active = state.recording || !state.settings.is_empty();
        self.shared.active.store(active, Ordering::Release);
    }
}

impl fmt::Debug for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.shared.state.lock().settings.len();
        write!(f, "Tuning({settings} settings)")
    }
}
