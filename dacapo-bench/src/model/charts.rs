//! Pictures of what was measured of models.

use super::outcome::{Measurement, Outcome};
use crate::report::Chart;
use crate::stats::Figure;

impl Outcome {
    /// Growth with the context and ratios for each model, and growth with size over several of them.
    pub fn charts(&self) -> Vec<Chart> {
        let mut charts: Vec<_> = self.models.iter().flat_map(Measurement::charts).collect();
        if self.models.len() > 1 {
            charts.push(self.by_size());
        }
        charts
    }

    fn by_size(&self) -> Chart {
        let mut chart = Chart::new(
            "size",
            "Decoding, by size, at the shortest context",
            "MB of weights",
            "ms a token",
        );
        let mut models: Vec<_> = self.models.iter().collect();
        models.sort_by_key(|model| model.weight_bytes);
        for model in models {
            for contestant in &model.contestants {
                let shortest = contestant.points.iter().min_by_key(|point| point.context);
                if let Some(point) = shortest {
                    let megabytes = model.weight_bytes as f64 / 1e6;
                    chart.put(&contestant.name, megabytes, point.decode_ms.clone());
                }
            }
        }
        chart
    }
}

impl Measurement {
    fn charts(&self) -> Vec<Chart> {
        let file = file_name(&self.model);
        let chart = |name: &str, title: &str, unit| {
            let title = format!("{title}: {}", self.model);
            Chart::new(
                &format!("{file}-{name}"),
                &title,
                "tokens of context (0 stands at 1)",
                unit,
            )
        };
        let mut decode = chart("decode", "Decoding", "ms a token");
        let mut prefill = chart("prefill", "A prompt behind a context", "tokens a second");
        let mut ratio = chart("ratio", "Speed of dacapo over that of others", "ratio");
        for contestant in &self.contestants {
            let name = &contestant.name;
            for point in &contestant.points {
                let put = |chart: &mut Chart, line: &str, y: Option<&Figure>| {
                    if let Some(y) = y {
                        chart.put(line, point.context as f64, y.clone());
                    }
                };
                put(&mut decode, name, Some(&point.decode_ms));
                put(&mut prefill, name, point.prefill_tok_s.as_ref());
                if let Some(ratios) = &point.ratio {
                    put(
                        &mut ratio,
                        &format!("decoding, {name}"),
                        Some(&ratios.decode),
                    );
                    let prompts = format!("prompts, {name}");
                    put(&mut ratio, &prompts, ratios.prefill.as_ref());
                }
            }
        }
        vec![decode, prefill, ratio]
    }
}

/// A name of a file that says which model.
fn file_name(model: &str) -> String {
    let name = model.rsplit(['/', '\\']).next().unwrap_or(model);
    let name = name.strip_suffix(".gguf").unwrap_or(name);
    let fit = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    name.chars()
        .map(|letter| if fit(letter) { letter } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_models() {
        assert_eq!(file_name("/a/b c/x.Q4_1.gguf"), "x.Q4_1");
        assert_eq!(file_name("tiny q4_k"), "tiny-q4_k");
    }
}
