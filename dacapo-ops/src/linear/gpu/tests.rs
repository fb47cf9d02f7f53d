use naga::back::pipeline_constants::process_overrides;
use naga::back::spv;
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

use super::*;

/// Every kernel is valid WGSL and becomes SPIR-V, also those for which no device is at hand.
#[test]
fn every_kernel_compiles() {
    let shape = |rows, subgroups, unroll, split, tokens| {
        Way::MatVec(Shape {
            rows,
            subgroups,
            unroll,
            split,
            tokens,
        })
    };
    let ways = [
        shape(1, 4, 1, 1, 1),
        shape(4, 8, 4, 4, 1),
        shape(2, 4, 2, 2, 8),
        Way::MatMul,
        Way::Cooperative,
    ];
    for dtype in DType::WEIGHTS {
        for way in ways {
            for (bias, odd) in [(false, false), (true, !dtype.is_quantized())] {
                let variant = Variant {
                    dtype,
                    bias,
                    odd,
                    way,
                };
                for subgroup_size in [4, 32, 128] {
                    if let Err(error) = compile(&variant.text(), subgroup_size) {
                        panic!("{variant:?}: {error}\n{}", variant.text());
                    }
                }
            }
        }
    }
}

fn compile(text: &str, subgroup_size: u32) -> Result<Vec<u32>, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all());
    let info = validator
        .validate(&module)
        .map_err(|error| error.emit_to_string(text))?;
    let size = ("SUBGROUP_SIZE".to_owned(), f64::from(subgroup_size));
    let has_size = text.contains("override SUBGROUP_SIZE");
    let constants = has_size.then_some(size).into_iter().collect();
    let (module, info) = process_overrides(&module, &info, None, &constants)
        .map_err(|error| format!("{error:?}"))?;
    let options = spv::Options {
        lang_version: (1, 5),
        use_storage_input_output_16: false,
        ..spv::Options::default()
    };
    spv::write_vec(&module, &info, &options, None).map_err(|error| format!("{error:?}"))
}
