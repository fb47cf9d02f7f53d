use proptest::prelude::*;

use super::*;

/// What a region should hold: bytes, and whether they are written.
#[derive(Clone)]
struct Model {
    bytes: Vec<u8>,
    written: Vec<bool>,
}

impl Model {
    fn new(len: usize) -> Model {
        Model {
            bytes: vec![0; len],
            written: vec![false; len],
        }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let len = bytes.len().min(self.bytes.len().saturating_sub(at));
        for (n, byte) in bytes[..len].iter().enumerate() {
            self.bytes[at + n] = *byte;
            self.written[at + n] = true;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    WriteAll(u8),
    Fill {
        at: usize,
        len: usize,
        value: u8,
    },
    Copy {
        from: usize,
        from_at: usize,
        to_at: usize,
        len: usize,
    },
    Word {
        at: usize,
        value: u32,
    },
    Half {
        at: usize,
        value: u16,
    },
    Check {
        at: usize,
        len: usize,
    },
}

const LENS: [usize; 2] = [203, 384];

fn step() -> impl Strategy<Value = (usize, Step)> {
    let at = || 0..400_usize;
    let len = || prop_oneof![0..9_usize, 0..400_usize];
    let step = prop_oneof![
        2 => (at(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(at, bytes)| Step::Write { at, bytes }),
        1 => any::<u8>().prop_map(Step::WriteAll),
        2 => (at(), len(), any::<u8>()).prop_map(|(at, len, value)| Step::Fill { at, len, value }),
        4 => (0..2_usize, at(), at(), len())
            .prop_map(|(from, from_at, to_at, len)| Step::Copy { from, from_at, to_at, len }),
        4 => (0..100_usize, any::<u32>()).prop_map(|(word, value)| Step::Word { at: 4 * word, value }),
        4 => (0..200_usize, any::<u16>()).prop_map(|(half, value)| Step::Half { at: 2 * half, value }),
        4 => (at(), len()).prop_map(|(at, len)| Step::Check { at, len }),
    ];
    (0..2_usize, step)
}

fn apply(
    regions: &[Region],
    models: &mut [Model],
    on: usize,
    step: &Step,
) -> Result<(), TestCaseError> {
    let (region, total) = (&regions[on], LENS[on]);
    match step {
        Step::Write { at, bytes } => {
            region.write(*at as u64, bytes);
            models[on].write(*at, bytes);
        }
        Step::WriteAll(value) => {
            region.write(0, &vec![*value; total]);
            models[on].write(0, &vec![*value; total]);
        }
        Step::Fill { at, len, value } => {
            region.fill(*at as u64, *len as u64, *value);
            models[on].write(*at, &vec![*value; *len]);
        }
        Step::Copy {
            from,
            from_at,
            to_at,
            len,
        } if *from != on => {
            Region::copy(
                &regions[*from],
                *from_at as u64,
                region,
                *to_at as u64,
                *len as u64,
            );
            let source = models[*from].clone();
            let len = (*len)
                .min(LENS[*from].saturating_sub(*from_at))
                .min(total.saturating_sub(*to_at));
            for n in 0..len {
                models[on].bytes[to_at + n] = source.bytes[from_at + n];
                models[on].written[to_at + n] = source.written[from_at + n];
            }
        }
        Step::Copy { .. } => {}
        Step::Word { at, value } => {
            // The words of a region that ends inside of one are whole.
            if at + 4 <= total || *at >= total {
                region.store_word(*at as u64, *value);
                region.mark_written(*at as u64, 4);
                models[on].write(*at, &value.to_le_bytes());
            }
        }
        Step::Half { at, value } => {
            if at + 2 <= total || *at >= total.next_multiple_of(2) {
                region.store_half(*at as u64, *value);
                region.mark_written(*at as u64, 2);
                models[on].write(*at, &value.to_le_bytes());
            }
        }
        Step::Check { at, len } => {
            let end = (at + len).min(total);
            let written = models[on].written.get(*at..end).unwrap_or_default();
            prop_assert_eq!(
                region.is_written(*at as u64, *len as u64),
                written.iter().all(|written| *written)
            );
            let mut bytes = vec![0xee; *len];
            region.read(*at as u64, &mut bytes);
            let mut expected = vec![0xee; *len];
            let inside = models[on].bytes.get(*at..end).unwrap_or_default();
            expected[..inside.len()].copy_from_slice(inside);
            prop_assert_eq!(bytes, expected);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn regions_hold_what_was_written(steps in prop::collection::vec(step(), 1..40)) {
        let regions = LENS.map(|len| Region::zeroed("region", len as u64).unwrap());
        let mut models = LENS.map(Model::new);
        for (on, step) in &steps {
            apply(&regions, &mut models, *on, step)?;
        }
        for (on, model) in models.iter().enumerate() {
            let region = &regions[on];
            for at in 0..LENS[on] {
                prop_assert_eq!(region.is_written(at as u64, 1), model.written[at], "byte {}", at);
                let word = region.load_word(at as u64 / 4 * 4);
                prop_assert_eq!(word.to_le_bytes()[at % 4], model.bytes[at]);
                let half = region.load_half(at as u64 / 2 * 2);
                prop_assert_eq!(half.to_le_bytes()[at % 2], model.bytes[at]);
            }
        }
    }
}

#[test]
fn what_is_not_there_is_zero_and_takes_nothing() {
    let region = Region::zeroed("small", 6).unwrap();
    region.store_word(8, 7);
    region.store_half(8, 7);
    region.word(1 << 40).store(7, Relaxed);
    region.write(6, &[7; 9]);
    region.write(u64::MAX, &[7]);
    region.fill(100, u64::MAX, 7);
    assert_eq!(
        (region.load_word(8), region.load_half(u64::MAX - 1)),
        (0, 0)
    );
    assert_eq!((region.load_word(0), region.load_word(4)), (0, 0));
    assert!(!region.is_written(0, 1) && region.is_written(6, 100));
    assert!(!region.is_written(0, u64::MAX));
}

#[test]
fn memory_that_the_system_does_not_have_is_none() {
    assert!(Region::zeroed("none", 0).is_none());
    assert!(Region::zeroed("far too much", u64::MAX).is_none());
    assert!(Region::zeroed("too much", 1 << 60).is_none());
}

#[test]
fn pieces_that_make_up_all_of_it_count_as_all_of_it() {
    let region = Region::zeroed("pieces", 200).unwrap();
    for at in (0..200).rev().step_by(2) {
        region.mark_written(at, 1);
        region.mark_written(at - 1, 1);
        assert_eq!(region.is_written(0, 200), at == 1);
    }
}

#[test]
fn threads_that_write_apart_lose_nothing() {
    let region = Region::zeroed("shared", 1 << 16).unwrap();
    std::thread::scope(|scope| {
        for side in [0, 2] {
            let region = &region;
            scope.spawn(move || {
                for at in (side..region.len()).step_by(4) {
                    region.store_half(at, at as u16);
                    region.mark_written(at, 2);
                }
            });
        }
    });
    assert!(region.is_written(0, region.len()));
    for at in (0..region.len()).step_by(2) {
        assert_eq!(region.load_half(at), at as u16);
    }
}
