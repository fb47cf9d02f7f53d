//! Charts as SVG, both axes logarithmic, so that a straight line is a power and a flat one is no growth.

use std::path::Path;

use plotters::prelude::*;

use crate::report::{Chart, Point};
use crate::work::Result;

const SIZE: (u32, u32) = (900, 560);
const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(255, 127, 14),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(23, 190, 207),
    RGBColor(127, 127, 127),
];

/// Draws all charts that have anything to draw, a file each, into `folder`.
pub fn save(charts: &[Chart], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for chart in charts {
        let path = folder.join(format!("{}.svg", chart.name));
        if let Some(text) = svg(chart)? {
            std::fs::write(path, text)?;
        }
    }
    Ok(())
}

/// A chart's picture; `None` where there is nothing in it.
pub fn svg(chart: &Chart) -> Result<Option<String>> {
    let all = || chart.lines.iter().flat_map(|line| &line.points);
    // A logarithmic axis has no zero: a context of 0 is drawn at 1.
    let place = |point: &Point| point.x.max(1.0);
    let ends = |values: &mut dyn Iterator<Item = f64>| -> Option<(f64, f64)> {
        let first = values.next()?;
        Some(values.fold((first, first), |(low, high), value| {
            (low.min(value), high.max(value))
        }))
    };
    let Some((left, right)) = ends(&mut all().map(place)) else {
        return Ok(None);
    };
    let values = all().flat_map(|point| point.y.interval);
    let Some((low, high)) = ends(&mut values.filter(|value| *value > 0.0)) else {
        return Ok(None);
    };
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut axes = ChartBuilder::on(&area)
            .caption(&chart.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(
                (left * 0.8..right * 1.25).log_scale(),
                (low * 0.7..high * 1.5).log_scale(),
            )?;
        axes.configure_mesh()
            .x_desc(&chart.x)
            .y_desc(&chart.unit)
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .light_line_style(BLACK.mix(0.06))
            .bold_line_style(BLACK.mix(0.18))
            .label_style(("sans-serif", 14))
            .draw()?;
        for (at, line) in chart.lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let places = line
                .points
                .iter()
                .map(|point| (place(point), point.y.median));
            axes.draw_series(LineSeries::new(places.clone(), colour.stroke_width(2)))?
                .label(&line.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            axes.draw_series(places.map(|place| Circle::new(place, 3, colour.filled())))?;
            axes.draw_series(line.points.iter().map(|point| {
                let [low, high] = point.y.interval;
                PathElement::new([(place(point), low), (place(point), high)], colour)
            }))?;
        }
        axes.configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 14))
            .draw()?;
        area.present()?;
    }
    Ok(Some(text))
}

/// A number as an axis has it.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e4 => format!("{}k", value / 1e3),
        value if value >= 1.0 => format!("{}", (value * 100.0).round() / 100.0),
        value => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_becomes_a_picture_with_its_words() {
        let mut chart = Chart::new("growth", "Growth", "nodes", "ms");
        assert_eq!(svg(&chart).expect("no error"), None);
        chart.add("planning", 0.0, vec![1.0, 2.0]);
        chart.add("planning", 1000.0, vec![30.0]);
        let text = svg(&chart).expect("no error").expect("a picture");
        for word in ["Growth", "nodes", "ms", "planning", "polyline"] {
            assert!(text.contains(word), "no {word} in {text}");
        }
    }

    #[test]
    fn axes_have_short_numbers() {
        let numbers = [0.001, 1.0, 100_000.0, 2e6];
        assert_eq!(numbers.map(short), ["0.001", "1", "100k", "2M"]);
    }
}
