//! Where the threads of a threadgroup are, and what may not be.

/// Where a thread is. A site is the line of the call in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    New,
    Ready,
    Simdgroup { site: u32 },
    Threadgroup { site: u32 },
    Done,
}

/// Lets the threads past the barrier at which all of them wait. False if all are done.
pub fn pass_barrier(states: &mut [State]) -> Result<bool, String> {
    let first = states.first().copied().unwrap_or(State::Done);
    if let Some(at) = states.iter().position(|s| *s != first) {
        return Err(format!(
            "threadgroup_barrier not reached by every thread: thread 0 {}, thread {at} {}",
            told(first),
            told(states[at])
        ));
    }
    states.fill(State::Ready);
    Ok(first != State::Done)
}

fn told(state: State) -> String {
    match state {
        State::New | State::Ready => "has not come there".to_owned(),
        State::Simdgroup { site } => format!("is at the simdgroup operation of line {site}"),
        State::Threadgroup { site } => format!("waits at the barrier of line {site}"),
        State::Done => "has returned".to_owned(),
    }
}

/// What is wrong with a simdgroup whose lanes are not all at one operation.
pub fn divergence(simdgroup: usize, states: &[State]) -> String {
    let at = states
        .iter()
        .position(|s| matches!(s, State::Simdgroup { .. }))
        .unwrap_or(0);
    let other = states.iter().position(|s| *s != states[at]).unwrap_or(0);
    format!(
        "simdgroup operation in divergent control flow: in simdgroup {simdgroup}, lane {at} {}, lane {other} {}",
        told(states[at]),
        told(states[other])
    )
}
