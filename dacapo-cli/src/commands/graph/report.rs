//! The figures of a plan.

use core::fmt;
use std::collections::BTreeMap;

use dacapo::{Device, Plan, Shape};
use dacapo_llm::ModelFiles;
use serde::Serialize;

use crate::table::{Align, Table};

/// What `--json` prints, and what stands above the text.
#[derive(Serialize)]
pub(super) struct Report {
    model: String,
    device: String,
    dispatches_captured: u32,
    dispatches_after_fusion: u32,
    waves: u32,
    longest_path: u32,
    barriers: u32,
    barriers_greedy64: u32,
    barriers_program_order: u32,
    fusions: BTreeMap<&'static str, usize>,
    near_misses: Vec<String>,
    renamed_values: usize,
    passes: Passes,
}

/// The graph after each pass.
#[derive(Clone, Copy, Serialize)]
struct Passes {
    captured: Figures,
    fused: Figures,
    renamed: Figures,
}

#[derive(Clone, Copy, Serialize)]
struct Figures {
    dispatches: u32,
    longest_path: u32,
    barriers_greedy64: u32,
    barriers_program_order: u32,
}

impl From<Shape> for Figures {
    fn from(shape: Shape) -> Figures {
        Figures {
            dispatches: shape.nodes,
            longest_path: shape.longest_path,
            barriers_greedy64: shape.barriers_greedy64,
            barriers_program_order: shape.barriers_program_order,
        }
    }
}

impl Report {
    pub(super) fn new(files: &ModelFiles, device: &Device, plan: &Plan) -> Report {
        let report = plan.report();
        let waves = plan.waves().len() as u32;
        let misses = report.fusion.near_misses.iter();
        Report {
            model: files.path().display().to_string(),
            device: device.info().name.clone(),
            dispatches_captured: report.captured.nodes,
            dispatches_after_fusion: report.fused.nodes,
            waves,
            longest_path: report.renamed.longest_path,
            barriers: waves.saturating_sub(1),
            barriers_greedy64: report.renamed.barriers_greedy64,
            barriers_program_order: report.renamed.barriers_program_order,
            fusions: report.fusion.counts().into_iter().collect(),
            near_misses: misses.map(ToString::to_string).collect(),
            renamed_values: report.moved.len(),
            passes: Passes {
                captured: report.captured.into(),
                fused: report.fused.into(),
                renamed: report.renamed.into(),
            },
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}\n", self.model, self.device)?;
        let mut table = Table::new([
            ("", Align::Left),
            ("dispatches", Align::Right),
            ("longest path", Align::Right),
            ("barriers, look-ahead of 64", Align::Right),
            ("barriers, program order", Align::Right),
        ]);
        let Passes {
            captured,
            fused,
            renamed,
        } = self.passes;
        for (pass, figures) in [
            ("captured", captured),
            ("fused", fused),
            ("renamed", renamed),
        ] {
            table.row([
                pass.to_owned(),
                figures.dispatches.to_string(),
                figures.longest_path.to_string(),
                figures.barriers_greedy64.to_string(),
                figures.barriers_program_order.to_string(),
            ]);
        }
        writeln!(f, "{table}\n")?;
        writeln!(
            f,
            "planned: {} waves, {} barriers\n",
            self.waves, self.barriers
        )?;
        for (rule, count) in &self.fusions {
            writeln!(f, "fused {count:>4} x {rule}")?;
        }
        for miss in &self.near_misses {
            writeln!(f, "nearly: {miss}")?;
        }
        Ok(())
    }
}
