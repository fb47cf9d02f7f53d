use super::*;

fn key(dimension: &'static str) -> Key {
    Key {
        op: "matvec",
        dtype: DType::BF16,
        rows: 3072,
        cols: 2048,
        tokens: 1,
        dimension,
    }
}

fn ask(tuning: &Tuning, dimension: &'static str) -> u32 {
    tuning.choose(key(dimension), 2, &[1, 2, 4, 8], |value| value <= 4)
}

#[test]
fn names_are_stable() {
    assert_eq!(key("rows").to_string(), "matvec bf16 3072x2048 x1 rows");
}

#[test]
fn a_setting_counts_where_it_is_allowed() {
    let tuning = Tuning::default();
    assert_eq!(ask(&tuning, "rows"), 2);
    for (set, answered) in [(4, 4), (1, 1), (8, 2), (3, 2), (0, 2)] {
        tuning.set("matvec bf16 3072x2048 x1 rows", set);
        assert_eq!(ask(&tuning, "rows"), answered, "set to {set}");
        assert_eq!(ask(&tuning, "split"), 2);
    }
    tuning.apply(Settings::new());
    assert_eq!(ask(&tuning, "rows"), 2);
}

#[test]
fn what_is_asked_for_is_noted_on_demand() {
    let tuning = Tuning::default();
    ask(&tuning, "rows");
    tuning.set("matvec bf16 3072x2048 x1 rows", 4);
    ask(&tuning, "rows");
    assert_eq!(tuning.knobs(), []);
    tuning.record(true);
    for dimension in ["split", "rows", "rows"] {
        ask(&tuning, dimension);
    }
    let knob = |dimension, value, asked| Knob {
        key: key(dimension),
        allowed: vec![1, 2, 4],
        value,
        default: 2,
        asked,
    };
    assert_eq!(tuning.knobs(), [knob("rows", 4, 2), knob("split", 2, 1)]);
    tuning.record(false);
    assert_eq!(tuning.knobs(), []);
}

#[test]
fn versions_tell_changes() {
    let (tuning, name) = (Tuning::default(), "matvec bf16 3072x2048 x1 rows");
    let shared = tuning.clone();
    tuning.set(name, 4);
    let version = shared.version();
    tuning.set(name, 4);
    assert_eq!(shared.version(), version);
    tuning.set(name, 1);
    assert_ne!(shared.version(), version);
    assert_eq!(ask(&shared, "rows"), 1);
}
