use thiserror::Error;

use crate::profile::VERSION;

/// Why something is not a profile that can be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// It is not JSON, or not of the schema's shape.
    #[error("not a profile: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another version of the schema.
    #[error("the profile has version {found} of the schema; this program reads version {VERSION}")]
    Version {
        /// Its version.
        found: u64,
    },
    /// It is longer than a profile may be.
    #[error("the profile has {found} bytes; at most {allowed} are read")]
    Length {
        /// Its bytes.
        found: usize,
        /// The most that are read.
        allowed: usize,
    },
    /// An index points nowhere.
    #[error("{place} is {found}, and there are {entries}")]
    Index {
        /// Where the index is.
        place: String,
        /// The index.
        found: u32,
        /// How many entries the table has that it points into.
        entries: usize,
    },
    /// Something ends before it begins.
    #[error("{place}: {later} is {found}, before {earlier} at {at}")]
    Backwards {
        /// What ends before it begins.
        place: String,
        /// The field that should be later.
        later: &'static str,
        /// The time there.
        found: u64,
        /// The field that should be earlier.
        earlier: &'static str,
        /// The time there.
        at: u64,
    },
    /// A number is out of bounds.
    #[error("{place} is {found}; allowed: {allowed}")]
    Number {
        /// Where the number is.
        place: String,
        /// The number.
        found: String,
        /// What may be there.
        allowed: &'static str,
    },
}
