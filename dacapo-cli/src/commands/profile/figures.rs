//! Numbers as people read them.

use indicatif::HumanCount;

/// A length of time with its unit.
pub(super) fn time(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        ..1e3 => format!("{ns} ns"),
        ..1e6 => format!("{} us", number(ns / 1e3)),
        ..1e9 => format!("{} ms", number(ns / 1e6)),
        _ => format!("{} s", number(ns / 1e9)),
    }
}

/// A length of time in microseconds.
pub(super) fn us(ns: u64) -> String {
    number(ns as f64 / 1e3)
}

/// A length of time in milliseconds.
pub(super) fn ms(ns: u64) -> String {
    number(ns as f64 / 1e6)
}

/// A number to three digits or more, with not more than three of them after the point.
pub(super) fn number(value: f64) -> String {
    match value {
        ..0.9995 => format!("{value:.3}"),
        ..99.995 => format!("{value:.2}"),
        ..999.95 => format!("{value:.1}"),
        _ => HumanCount(value.round() as u64).to_string(),
    }
}

/// A part of a whole.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        ..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// `text` in at most `width` columns, its end cut off if need be.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// A kind of cause in words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_about_three_digits() {
        assert_eq!(number(0.0), "0.000");
        assert_eq!(number(0.99951), "1.00");
        assert_eq!(number(9.876), "9.88");
        assert_eq!(number(99.996), "100.0");
        assert_eq!(number(123.46), "123.5");
        assert_eq!(number(999.96), "1,000");
        assert_eq!(number(1234567.8), "1,234,568");
        let times = [0, 999, 1000, 12_345, 1_840_000, 2_010_000_000].map(time);
        let expected = ["0 ns", "999 ns", "1.00 us", "12.35 us", "1.84 ms", "2.01 s"];
        assert_eq!(times, expected);
        assert_eq!(percent(0.0994), "9.9 %");
        assert_eq!(percent(0.0996), "10 %");
        assert_eq!(percent(1.0), "100 %");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
