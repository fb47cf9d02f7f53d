//! What a check is, and how it says what is wrong.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

use crate::bench::Bench;

macro_rules! groups {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal,)*) => {
        /// What a check is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Group {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Group {
            /// All, in the order in which they run.
            pub const ALL: &'static [Group] = &[$(Group::$variant,)*];

            /// Its name on the command line and in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Group::$variant => $name,)*
                }
            }

            /// What it is about, in a few words.
            pub fn about(self) -> &'static str {
                match self {
                    $(Group::$variant => concat!($($doc),*).trim_ascii(),)*
                }
            }
        }
    };
}

groups! {
    /// Arguments, offsets, constants, grids, encoders that are dropped.
    Encoder "encoder",
    /// Order between dispatches that touch the same bytes.
    Hazards "hazards",
    /// The host and the device at the same memory.
    HostAccess "host-access",
    /// Blocks that are issued again.
    Pools "pools",
    /// What stays on the device.
    Residency "residency",
    /// Captured passes, plans, fusion.
    Graphs "graphs",
    /// Launches, patches, values brought along and back.
    Executables "executables",
    /// Random programs, plans and patches against an oracle.
    Random "random",
    /// Order, waiting, many in flight.
    Submissions "submissions",
    /// Times and names of what ran.
    Profiles "profiles",
    /// What must be refused or reported.
    Faults "faults",
    /// What the device counts.
    Counters "counters",
    /// Operations against references in f64.
    Ops "ops",
    /// Tokens of tiny models against the processor's.
    Decode "decode",
    /// How fast it is.
    Speed "speed",
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Group, String> {
        let found = Group::ALL.iter().find(|group| group.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = Group::ALL.iter().map(|group| group.name()).collect();
            format!("allowed: {}", names.join(", "))
        })
    }
}

/// What is wrong, or why it cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not as it must be.
    Failed(String),
    /// It cannot be checked here.
    Skipped(String),
}

impl Flaw {
    /// A failure, in words.
    pub fn failed(reason: impl fmt::Display) -> Flaw {
        Flaw::Failed(reason.to_string())
    }

    /// Why it is not checked here.
    pub fn skipped(reason: impl fmt::Display) -> Flaw {
        Flaw::Skipped(reason.to_string())
    }
}

/// An error in the middle of a check is what is wrong. With its causes, unless the message before ends with them.
impl<E: std::error::Error> From<E> for Flaw {
    fn from(error: E) -> Flaw {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.ends_with(&message) {
                text.push_str(": ");
                text.push_str(&message);
            }
            cause = error.source();
        }
        Flaw::Failed(text)
    }
}

/// What comes out of a check.
pub type Verdict = Result<(), Flaw>;

/// One thing that must hold.
#[derive(Clone)]
pub struct Check {
    group: Group,
    name: String,
    run: Arc<dyn Fn(&Bench) -> Verdict + Send + Sync>,
}

impl Check {
    /// A check that is made by `run`, on a device of its own.
    pub fn new(
        group: Group,
        name: impl Into<String>,
        run: impl Fn(&Bench) -> Verdict + Send + Sync + 'static,
    ) -> Check {
        Check {
            group,
            name: name.into(),
            run: Arc::new(run),
        }
    }

    /// Its group.
    pub fn group(&self) -> Group {
        self.group
    }

    /// What must hold, in words.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn run(&self, bench: &Bench) -> Verdict {
        (self.run)(bench)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({}: {})", self.group, self.name)
    }
}

/// Fails unless a condition holds, with words as of `format!`.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {{
        let holds: bool = $holds;
        if !holds {
            return Err($crate::check::Flaw::Failed(format!($($words)+)));
        }
    }};
}

/// Fails unless what was found is what must be.
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($words:tt)+) => {{
        let (found, wanted) = (&$found, &$wanted);
        if *found != *wanted {
            let words = format!($($words)+);
            let text = format!("{words}: found {found:?}, must be {wanted:?}");
            return Err($crate::check::Flaw::Failed(text));
        }
    }};
}

/// Fails unless a call is refused in a certain way.
macro_rules! ensure_refused {
    ($result:expr, $pattern:pat, $($words:tt)+) => {{
        match $result {
            Err($pattern) => {}
            Err(error) => {
                let words = format!($($words)+);
                return Err($crate::check::Flaw::Failed(format!("{words}: refused otherwise: {error}")));
            }
            Ok(_) => {
                let words = format!($($words)+);
                return Err($crate::check::Flaw::Failed(format!("{words}: not refused")));
            }
        }
    }};
}

/// Fails unless all elements are equal; names the first that differ.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, found: &[T], wanted: &[T]) -> Verdict {
    ensure_eq!(found.len(), wanted.len(), "{what}: the number of elements");
    let pairs = found.iter().zip(wanted).enumerate();
    let mut differing = pairs.filter(|(_, (found, wanted))| found != wanted);
    let Some((at, (first, must))) = differing.next() else {
        return Ok(());
    };
    let (more, all) = (1 + differing.count(), found.len());
    Err(Flaw::Failed(format!(
        "{what}: {more} of {all} elements differ; the first, at {at}, is {first:?} and must be {must:?}"
    )))
}
