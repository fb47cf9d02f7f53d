//! How the runtime behaves, as checks.

mod counters;
mod encoder;
mod executables;
mod faults;
mod graphs;
mod hazards;
mod host_access;
mod kernels;
mod pools;
mod profiles;
mod random;
mod residency;
mod submissions;

use crate::check::Check;

pub(crate) use kernels::median;

pub(crate) fn checks() -> Vec<Check> {
    [
        encoder::checks(),
        hazards::checks(),
        host_access::checks(),
        pools::checks(),
        residency::checks(),
        graphs::checks(),
        executables::checks(),
        random::checks(),
        submissions::checks(),
        profiles::checks(),
        faults::checks(),
        counters::checks(),
    ]
    .concat()
}
