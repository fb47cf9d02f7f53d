//! Counters and times in the text format of Prometheus, version 0.0.4.

use core::fmt::Write;

use dacapo::Counters;
use thiserror::Error;

use crate::analysis::Analysis;
use crate::profile::Profile;

/// Upper ends of buckets in seconds: 1, 2 and 5 of each power of ten, from a microsecond to ten seconds.
const BUCKETS: [(u64, &str); 22] = [
    (1_000, "1e-06"),
    (2_000, "2e-06"),
    (5_000, "5e-06"),
    (10_000, "1e-05"),
    (20_000, "2e-05"),
    (50_000, "5e-05"),
    (100_000, "0.0001"),
    (200_000, "0.0002"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_000_000, "0.002"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (20_000_000, "0.02"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (200_000_000, "0.2"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_000_000_000, "2"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// Labels that cannot be written.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("label {name:?} {reason}")]
pub struct LabelError {
    /// The label's name.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What a device has done, as counters `dacapo_NAME_total`, each with these labels.
///
/// # Errors
/// For names of labels that the format does not allow: `[a-zA-Z_][a-zA-Z0-9_]*`, not `__...`, each once.
pub fn prometheus(counters: &Counters, labels: &[(&str, &str)]) -> Result<String, LabelError> {
    let labels = Labels::new(labels, &[])?;
    let mut text = String::new();
    for (name, help, count) in counters.iter() {
        head(&mut text, &format!("dacapo_{name}_total"), help, "counter");
        sample(
            &mut text,
            &format!("dacapo_{name}_total"),
            &labels.with(&[]),
            count,
        );
    }
    Ok(text)
}

impl Profile {
    /// How long the device was at submissions, as a histogram `dacapo_submission_device_seconds` for each of their labels
    /// (`submission`), and with these labels.
    ///
    /// # Errors
    /// As for [`prometheus`]; `submission` and `le` are taken.
    pub fn prometheus(&self, labels: &[(&str, &str)]) -> Result<String, LabelError> {
        const NAME: &str = "dacapo_submission_device_seconds";
        let labels = Labels::new(labels, &["submission", "le"])?;
        let mut text = String::new();
        let help = "How long the device was at submissions.";
        head(&mut text, NAME, help, "histogram");
        for (label, times) in Analysis::device_times(self) {
            let bucket = format!("{NAME}_bucket");
            for (end, le) in BUCKETS {
                let within = times.iter().filter(|time| **time <= end).count();
                let labels = labels.with(&[("submission", label), ("le", le)]);
                sample(&mut text, &bucket, &labels, within);
            }
            let all = labels.with(&[("submission", label), ("le", "+Inf")]);
            sample(&mut text, &bucket, &all, times.len());
            let labels = labels.with(&[("submission", label)]);
            let sum = times.iter().map(|time| *time as f64).sum::<f64>() / 1e9;
            sample(&mut text, &format!("{NAME}_sum"), &labels, sum);
            sample(&mut text, &format!("{NAME}_count"), &labels, times.len());
        }
        Ok(text)
    }
}

/// Labels that every sample has.
struct Labels(String);

impl Labels {
    fn new(labels: &[(&str, &str)], taken: &[&str]) -> Result<Labels, LabelError> {
        let mut names: Vec<&str> = taken.to_vec();
        for (name, _) in labels {
            let wrong = |reason| {
                let name = (*name).to_owned();
                Err(LabelError { name, reason })
            };
            let fits = |(at, byte): (usize, u8)| match byte {
                b'0'..=b'9' => at > 0,
                _ => byte.is_ascii_alphabetic() || byte == b'_',
            };
            if name.is_empty() || !name.bytes().enumerate().all(fits) {
                return wrong("is not of the form [a-zA-Z_][a-zA-Z0-9_]*");
            }
            if name.starts_with("__") {
                return wrong("begins with __, which is reserved");
            }
            if names.contains(name) {
                return wrong("is there already");
            }
            names.push(name);
        }
        let labels = labels.iter().map(pair);
        Ok(Labels(labels.collect::<Vec<_>>().join(",")))
    }

    /// With others after them, as they stand in a sample.
    fn with(&self, more: &[(&str, &str)]) -> String {
        let own = Some(self.0.clone()).filter(|own| !own.is_empty());
        let all: Vec<String> = own.into_iter().chain(more.iter().map(pair)).collect();
        match all.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", all.join(",")),
        }
    }
}

fn pair((name, value): &(&str, &str)) -> String {
    format!("{name}=\"{}\"", escaped(value).replace('"', "\\\""))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let help = escaped(help);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(text: &mut String, name: &str, labels: &str, value: impl core::fmt::Display) {
    let _ = writeln!(text, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{submission, two_steps};

    /// A line of the format, read strictly by its grammar.
    #[derive(Debug, PartialEq)]
    enum Line {
        Help(String, String),
        Type(String, String),
        Sample(String, Vec<(String, String)>, f64),
    }

    fn lines(text: &str) -> Vec<Line> {
        assert!(text.ends_with('\n'), "the last line must end, too");
        text.lines().map(line).collect()
    }

    fn line(line: &str) -> Line {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            return Line::Help(metric(name), unescaped(help, false));
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            return Line::Type(metric(name), kind.to_owned());
        }
        let end = line.find(['{', ' ']).expect("a value");
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        while let Some(more) = rest.strip_prefix(['{', ',']) {
            let (label, more) = more.split_once("=\"").expect("a label");
            let end = closing_quote(more);
            labels.push((label.to_owned(), unescaped(&more[..end], true)));
            rest = &more[end + 1..];
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
        }
        let value = rest.strip_prefix(' ').expect("a space before the value");
        Line::Sample(metric(name), labels, value.parse().expect("a number"))
    }

    fn metric(name: &str) -> String {
        let fits = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == ':';
        assert!(name.chars().all(fits) && !name.starts_with(|char: char| char.is_ascii_digit()));
        name.to_owned()
    }

    fn closing_quote(text: &str) -> usize {
        let mut escaped = false;
        for (at, char) in text.char_indices() {
            match char {
                '"' if !escaped => return at,
                _ => escaped = char == '\\' && !escaped,
            }
        }
        panic!("no end of {text}");
    }

    fn unescaped(text: &str, quotes: bool) -> String {
        let mut chars = text.chars();
        let mut plain = String::new();
        while let Some(char) = chars.next() {
            plain.push(match char {
                '\\' => match chars.next() {
                    Some('\\') => '\\',
                    Some('n') => '\n',
                    Some('"') if quotes => '"',
                    other => panic!("\\{other:?} in {text}"),
                },
                other => other,
            });
        }
        plain
    }

    #[test]
    fn counters_keep_to_the_grammar() {
        let device = dacapo::Device::open(&dacapo::DeviceOptions::cpu()).expect("the processor");
        device
            .encoder("a")
            .expect("an encoder")
            .commit()
            .expect("a submission")
            .wait()
            .expect("its end");
        let counters = device.counters();
        let nasty = "quote \" backslash \\ line\nend, = {}";
        let text = prometheus(&counters, &[("device", nasty), ("_x9", "")]).expect("labels");
        let lines = lines(&text);
        assert_eq!(lines.len(), 3 * counters.iter().count());
        for (three, (name, help, count)) in lines.chunks(3).zip(counters.iter()) {
            let name = format!("dacapo_{name}_total");
            assert_eq!(three[0], Line::Help(name.clone(), help.to_owned()));
            assert!(help.len() > 5 && !help.starts_with(' '), "{help:?}");
            assert_eq!(three[1], Line::Type(name.clone(), "counter".to_owned()));
            let labels = vec![
                ("device".to_owned(), nasty.to_owned()),
                ("_x9".to_owned(), String::new()),
            ];
            assert_eq!(three[2], Line::Sample(name, labels, count as f64));
        }
        let submissions = Line::Sample("dacapo_submissions_total".to_owned(), vec![], 1.0);
        assert!(
            self::lines(&prometheus(&counters, &[]).expect("no labels")).contains(&submissions)
        );
    }

    #[test]
    fn a_histogram_counts_what_is_not_above_its_ends() {
        let mut profile = two_steps();
        let later = [2000, 2000, 2000, 4000, 4000];
        profile
            .submissions
            .push(submission("pre \"fill\"", later, Vec::new()));
        profile.submissions.push(submission(
            "decode",
            [4000, 4000, 4000, 9001, 9001],
            Vec::new(),
        ));
        let text = profile.prometheus(&[("host", "x")]).expect("labels");
        let lines = lines(&text);
        let value = |name: &str, submission: &str, le: Option<&str>| {
            let pairs = [("host", "x"), ("submission", submission)];
            let pairs = pairs.into_iter().chain(le.map(|le| ("le", le)));
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let pairs: Vec<(String, String)> = pairs.collect();
            let found = lines.iter().find_map(|line| match line {
                Line::Sample(found, labels, value) if found == name && *labels == pairs => {
                    Some(*value)
                }
                _ => None,
            });
            found.unwrap_or_else(|| panic!("{name} {pairs:?} in {text}"))
        };
        let name = "dacapo_submission_device_seconds";
        let bucket = format!("{name}_bucket");
        // 200, 200 and 5001 ns; 100 ns; 2000 ns.
        assert_eq!(value(&bucket, "decode", Some("1e-06")), 2.0);
        assert_eq!(value(&bucket, "decode", Some("5e-06")), 2.0);
        assert_eq!(value(&bucket, "decode", Some("1e-05")), 3.0);
        assert_eq!(value(&bucket, "decode", Some("+Inf")), 3.0);
        assert_eq!(value(&format!("{name}_count"), "decode", None), 3.0);
        assert_eq!(value(&format!("{name}_sum"), "decode", None), 5401e-9);
        assert_eq!(value(&bucket, "pre \"fill\"", Some("1e-06")), 0.0);
        assert_eq!(value(&bucket, "pre \"fill\"", Some("2e-06")), 1.0);
        for (end, le) in BUCKETS {
            assert_eq!(
                le.parse::<f64>().expect("a number"),
                end as f64 / 1e9,
                "{le}"
            );
        }
    }

    #[test]
    fn labels_that_cannot_be_are_named() {
        let counters = Counters::default();
        for name in ["", "9a", "a-b", "ü", "__a", "a b"] {
            let error = prometheus(&counters, &[(name, "x")]).expect_err(name);
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
        }
        assert!(prometheus(&counters, &[("a", "x"), ("a", "y")]).is_err());
        assert!(two_steps().prometheus(&[("le", "x")]).is_err());
    }
}
