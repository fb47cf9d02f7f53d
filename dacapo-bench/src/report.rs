//! What was measured: data, a table, a file.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::stats::{Figure, INTERVAL};

/// One run of the bench.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub device: String,
    pub driver: String,
    pub cores: usize,
    pub interval: String,
    /// How the contestants were set up.
    pub settings: Vec<String>,
    pub charts: Vec<Chart>,
}

/// Figures that belong together: over one quantity, in one unit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Chart {
    /// Short, fit for a file.
    pub name: String,
    pub title: String,
    /// What `Point::x` counts.
    pub x: String,
    pub unit: String,
    pub lines: Vec<Line>,
}

/// One contestant's or one kind's figures.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<Point>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Point {
    pub x: f64,
    pub y: Figure,
}

impl Report {
    pub fn new(device: &dacapo::DeviceInfo) -> Report {
        Report {
            device: device.name.clone(),
            driver: device.driver.clone(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            interval: INTERVAL.to_owned(),
            settings: Vec::new(),
            charts: Vec::new(),
        }
    }

    /// The median at a point, if it was measured.
    pub fn median(&self, chart: &str, line: &str, x: f64) -> Option<f64> {
        let chart = self.charts.iter().find(|found| found.name == chart)?;
        chart.line(line)?.at(x)
    }
}

impl Chart {
    pub fn new(name: &str, title: &str, x: &str, unit: &str) -> Chart {
        Chart {
            name: name.to_owned(),
            title: title.to_owned(),
            x: x.to_owned(),
            unit: unit.to_owned(),
            lines: Vec::new(),
        }
    }

    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// Adds samples of one line at one place; none are no point.
    pub fn add(&mut self, line: &str, x: f64, samples: Vec<f64>) {
        if let Some(y) = Figure::new(samples) {
            self.put(line, x, y);
        }
    }

    /// Adds a figure of one line at one place.
    pub fn put(&mut self, line: &str, x: f64, y: Figure) {
        let at = match self.lines.iter().position(|found| found.name == line) {
            Some(at) => at,
            None => {
                let (name, points) = (line.to_owned(), Vec::new());
                self.lines.push(Line { name, points });
                self.lines.len() - 1
            }
        };
        self.lines[at].points.push(Point { x, y });
    }
}

impl Line {
    pub fn at(&self, x: f64) -> Option<f64> {
        let point = self.points.iter().find(|point| point.x == x);
        point.map(|point| point.y.median)
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} {}, {} cores", self.device, self.driver, self.cores)?;
        for setting in &self.settings {
            writeln!(out, "  {setting}")?;
        }
        writeln!(out, "{}", self.interval)?;
        for chart in &self.charts {
            write!(out, "\n{chart}")?;
        }
        Ok(())
    }
}

impl Display for Chart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}, {} (by {})", self.title, self.unit, self.x)?;
        for line in &self.lines {
            for point in &line.points {
                let [low, high] = point.y.interval;
                let (name, x) = (&line.name, point.x);
                let median = digits(point.y.median);
                let (low, high) = (digits(low), digits(high));
                writeln!(out, "  {name:<32} {x:>9} {median:>10} ({low} to {high})")?;
            }
        }
        Ok(())
    }
}

/// Three significant digits at least.
pub fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_its_file() {
        let mut chart = Chart::new("encode", "Encoding", "dispatches", "ns");
        chart.add("dacapo", 10.0, vec![3.0, 1.0, 2.0]);
        chart.add("dacapo", 100.0, vec![4.0]);
        chart.add("nobody", 10.0, Vec::new());
        let report = Report {
            device: "a device".to_owned(),
            driver: String::new(),
            cores: 2,
            interval: INTERVAL.to_owned(),
            settings: vec!["one thread".to_owned()],
            charts: vec![chart],
        };
        let text = serde_json::to_string(&report).expect("JSON");
        let read: Report = serde_json::from_str(&text).expect("a report");
        assert_eq!(read.median("encode", "dacapo", 10.0), Some(2.0));
        assert_eq!(read.median("encode", "dacapo", 11.0), None);
        assert_eq!(read.median("encode", "nobody", 10.0), None);
        assert!(read.to_string().contains("2.00 (1.00 to 3.00)"), "{read}");
    }
}
