//! Random programs are what they should be: valid, silent under all checks, and the same in whatever order their workgroups
//! run.

mod wgsl;

use std::sync::Arc;

use dacapo_reference::report::Reports;
use dacapo_reference::{Action, Binding, Machine, Order, Program, Region, Settings, Source, Step};
use naga::front::wgsl::{Frontend, Options};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use proptest::prelude::*;

const CAPABILITIES: Capabilities =
    Capabilities::IMMEDIATES.union(Capabilities::SHADER_FLOAT16_IN_FLOAT32);

fn compile(text: &str) -> Result<Program, String> {
    let mut options = Options::new();
    options.capabilities = CAPABILITIES;
    let module = Frontend::new_with_options(options).parse(text);
    let module = module.map_err(|error| error.emit_to_string(text))?;
    let info = Validator::new(ValidationFlags::all(), CAPABILITIES).validate(&module);
    let info = info.map_err(|error| error.emit_to_string(text))?;
    Program::new(&Source {
        name: "random",
        text,
        module: &module,
        info: &info,
        entry: 0,
        subgroup_size: 8,
        finite: true,
    })
}

/// What all buffers hold afterwards.
fn run(
    program: &wgsl::Program,
    kernel: &Arc<Program>,
    order: Order,
) -> Result<Vec<Vec<u8>>, String> {
    let regions = program.buffers().into_iter().map(|bytes| {
        let region = Region::zeroed("buffer", bytes.len() as u64).expect("memory");
        region.write(0, &bytes);
        Arc::new(region)
    });
    let regions: Vec<_> = regions.collect();
    let reports = Arc::new(Reports::default());
    let mut settings = Settings::default();
    settings.order = order;
    settings.threads = 2;
    let bind = |(slot, region): (u32, &Arc<Region>)| Binding {
        slot,
        region: region.clone(),
        range: 0..region.len(),
        reads: true,
        writes: slot > 0,
    };
    let step = Step {
        label: "test".into(),
        number: 0,
        grid: None,
        action: Action::Kernel {
            program: kernel.clone(),
            bindings: (0..).zip(&regions).map(bind).collect(),
            inline: wgsl::Program::INLINE.to_le_bytes().to_vec(),
            groups: program.groups(),
        },
    };
    let mut machine = Machine::new(settings, reports.clone());
    machine.run(&[step]).map_err(|stopped| stopped.reason)?;
    if let Some(report) = reports.list().first() {
        return Err(report.to_string());
    }
    let read = |region: &Arc<Region>| {
        let mut bytes = vec![0; region.len() as usize];
        region.read(0, &mut bytes);
        bytes
    };
    Ok(regions.iter().map(read).collect())
}

proptest! {
    #![proptest_config(wgsl::config(300))]

    #[test]
    fn programs_are_valid_silent_and_the_same_in_all_orders(program in wgsl::programs()) {
        let kernel = Arc::new(compile(&program.text()).map_err(TestCaseError::fail)?);
        let run = |order| run(&program, &kernel, order).map_err(TestCaseError::fail);
        let first = run(Order::Forward)?;
        for order in [Order::Reverse, Order::Shuffled(1), Order::Parallel] {
            prop_assert_eq!(&run(order)?, &first, "{:?}", order);
        }
    }
}
