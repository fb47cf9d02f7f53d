mod oracle;
mod threads;

use proptest::prelude::*;

use oracle::{Event, GROUPS, Kind, LANES, Oracle, SUBGROUPS, WORDS};

use super::*;

/// Programs of few or many groups and of few or many writes: where nearly all is read by one group, what it takes to
/// remember the right readers shows.
fn program(bytes: fn() -> BoxedStrategy<u32>) -> impl Strategy<Value = Vec<Event>> {
    (1..=GROUPS, prop_oneof![Just(1_u32), Just(12)]).prop_flat_map(move |(groups, writes)| {
        prop::collection::vec(event(groups, writes, bytes()), 1..60)
    })
}

fn event(groups: usize, writes: u32, bytes: BoxedStrategy<u32>) -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        12 => Just(Kind::Read),
        writes => Just(Kind::Write),
        writes => Just(Kind::Atomic),
    ];
    let access = (0..groups, 0..LANES, 0..WORDS, kind, bytes).prop_map(
        |(group, lane, word, kind, bytes)| Event::Access {
            group,
            lane,
            word,
            kind,
            bytes,
        },
    );
    prop_oneof![
        30 => access,
        3 => (0..groups).prop_map(|group| Event::Barrier { group, orders: true }),
        1 => (0..groups).prop_map(|group| Event::Barrier { group, orders: false }),
        5 => (0..groups, 0..SUBGROUPS).prop_map(|(group, subgroup)| Event::SubgroupBarrier { group, subgroup }),
        1 => Just(Event::Wave),
    ]
}

fn whole() -> BoxedStrategy<u32> {
    Just(15).boxed()
}

fn parts() -> BoxedStrategy<u32> {
    (1..16_u32).boxed()
}

/// What touches found at each access, beside what is true.
struct Ran {
    /// Whether conflicts of whole words were reported exactly, as long as the word had none before in its wave.
    exact: bool,
    /// Whether everything reported was true.
    true_only: bool,
    conflicts: usize,
}

fn run(events: &[Event], shared: bool) -> Ran {
    let touches = Touches::new(WORDS).unwrap();
    let mut oracle = Oracle::new(shared);
    let mut ran = Ran {
        exact: true,
        true_only: true,
        conflicts: 0,
    };
    for event in events {
        let Event::Access {
            group,
            lane,
            word,
            kind,
            bytes,
        } = *event
        else {
            oracle.order(event);
            continue;
        };
        let touch = oracle.touch(group, lane, bytes);
        let now = oracle.now(group);
        let found = match kind {
            Kind::Read => touches.read(word, touch, &now),
            Kind::Write => touches.write(word, touch, &now),
            Kind::Atomic => touches.atomic(word, touch, &now),
        };
        let clean = oracle.is_clean(word);
        let truth = oracle.access(group, lane, word, kind, bytes, touch);
        ran.conflicts += truth.len();
        ran.exact &= !clean || found.is_some() != truth.is_empty();
        ran.true_only &= found.is_none_or(|found| truth.contains(&oracle::name(found)));
    }
    ran
}

/// The same without words that a workgroup touches both atomically and plainly: the first and the second half of the
/// groups are two dispatches, and of each dispatch the words in the mask are atomic.
fn of_one_kind(events: &[Event], atomics: u32) -> Vec<Event> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let Event::Access {
            group, word, kind, ..
        } = event
        {
            let place = *group / (GROUPS / 2) * WORDS + *word;
            *kind = match (*kind, atomics >> place & 1) {
                (_, 1) => Kind::Atomic,
                (Kind::Atomic, _) => Kind::Read,
                (kind, _) => kind,
            };
        }
    }
    events
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whole_words_report_the_first_conflict_and_nothing_else(
        events in program(whole),
        atomics in any::<u32>(),
        shared in any::<bool>(),
    ) {
        let ran = run(&of_one_kind(&events, atomics), shared);
        prop_assert!(ran.exact && ran.true_only);
    }

    #[test]
    fn parts_of_words_report_only_conflicts(
        events in program(parts),
    ) {
        prop_assert!(run(&events, false).true_only);
    }
}

#[test]
fn random_programs_have_conflicts_and_quiet_stretches() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = program(whole);
    let (mut quiet, mut loud) = (0, 0);
    for _ in 0..1000 {
        let events = strategy.new_tree(&mut runner).unwrap().current();
        if run(&of_one_kind(&events, 0b0101), false).conflicts == 0 {
            quiet += 1;
        } else {
            loud += 1;
        }
    }
    assert!(quiet > 50 && loud > 200, "{quiet} quiet, {loud} loud");
}

fn now() -> Now<'static> {
    Now {
        first_group: 1,
        barrier: 0,
        subgroup_barriers: &[],
        subgroup_shift: 2,
        shared: false,
    }
}

#[test]
fn halves_of_a_word_belong_to_whoever_writes_them() {
    let touches = Touches::new(1).unwrap();
    let touch = Touch::new(1, 0, 0);
    assert_eq!(touches.write(0, touch.by(0).of(0b0011), &now()), None);
    assert_eq!(touches.write(0, touch.by(1).of(0b1100), &now()), None);
    assert!(touches.read(0, touch.by(0).of(0b1100), &now()).is_some());
}

#[test]
fn bytes_of_one_invocation_are_joined() {
    let touches = Touches::new(1).unwrap();
    let touch = Touch::new(1, 0, 0);
    for bytes in [1, 2, 4] {
        assert_eq!(touches.write(0, touch.by(3).of(bytes), &now()), None);
    }
    let found = touches.read(0, touch.by(4).of(1), &now()).unwrap();
    assert_eq!((found.lane(), found.bytes()), (3, 0b0111));
}

#[test]
fn atomics_of_several_groups_are_all_met_by_a_plain_access() {
    for plain in 1..=3 {
        let touches = Touches::new(1).unwrap();
        for group in 1..=3 {
            assert_eq!(touches.atomic(0, Touch::new(group, 0, 0), &now()), None);
        }
        let found = touches.read(0, Touch::new(plain, 0, 0), &now()).unwrap();
        assert!(found.is_atomic() && found.group() != plain);
    }
}

#[test]
fn more_barriers_than_are_counted_report_nothing_false() {
    let touches = Touches::new(1).unwrap();
    for tick in 4000..5000 {
        let now = Now {
            barrier: tick,
            ..now()
        };
        let touch = Touch::new(1, tick, 0).by(tick % 7);
        assert_eq!(touches.write(0, touch, &now), None, "{tick}");
    }
}

#[test]
fn another_era_knows_nothing_of_the_last() {
    let touches = Touches::new(2).unwrap();
    touches.enter(1);
    touches.write(1, Touch::new(7, 0, 0), &now());
    touches.enter(1);
    assert!(touches.read(1, Touch::new(8, 0, 0), &now()).is_some());
    touches.enter(2);
    assert_eq!(touches.read(1, Touch::new(3, 0, 0), &now()), None);
}

#[test]
fn words_that_are_not_there_are_nobodys() {
    let touches = Touches::new(1).unwrap();
    assert_eq!(touches.write(1, Touch::new(1, 0, 0), &now()), None);
    assert!(Touches::new(0).is_none());
}
