use naga::back::pipeline_constants::process_overrides;
use naga::back::spv;
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

use dacapo::CooperativeMatrix;

use super::*;
use crate::gelu_mul::Form;
use crate::linear::Activation;

/// Every kernel is valid WGSL and becomes SPIR-V, and what Metal runs, also those for which no device is at hand.
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
    let tiles = |matrix, numbers| {
        Way::Cooperative(Cooperative {
            matrix,
            tiling: Tiling::new(numbers, matrix == CooperativeMatrix::Size16),
            whole: false,
            subgroup_size: 32,
        })
    };
    let ways = [
        shape(1, 4, 1, 1, 1),
        shape(4, 8, 4, 4, 1),
        shape(2, 4, 2, 2, 8),
        Way::MatMul,
        tiles(CooperativeMatrix::Size8, [64, 64, 32, 2, 2, 2]),
        tiles(CooperativeMatrix::Size16, [64, 64, 32, 2, 2, 2]),
        tiles(CooperativeMatrix::Size16, [128, 128, 64, 4, 2, 1]),
    ];
    let mut kernels = 0;
    for dtype in DType::WEIGHTS {
        let mut compiles = |way, job, norm, odd, part| {
            let variant = Variant {
                dtype,
                odd,
                norm,
                way,
                job,
                part,
                turns: None,
            };
            // One shape with a number of turns that is known, too.
            let known = [None, Some(3)].map(|turns| Variant { turns, ..variant });
            let count = if way == ways[1] { 2 } else { 1 };
            for variant in known.into_iter().take(count) {
                for subgroup_size in [4, 32, 128] {
                    if let Err(error) = compile(&variant.text(), subgroup_size) {
                        panic!("{variant:?}: {error}\n{}", variant.text());
                    }
                }
                if !matches!(way, Way::Cooperative(kernel) if kernel.matrix == CooperativeMatrix::Size16)
                    && let Err(error) = crate::msl::written(&variant.text(), &[])
                {
                    panic!("{variant:?} on Metal: {error}\n{}", variant.text());
                }
                kernels += 1;
            }
        };
        for way in ways {
            for (put, odd) in [(Put::Plain, false), (Put::Bias, true), (Put::Add, true)] {
                for part in [false, true] {
                    compiles(way, Job::Each([Some(put), None, None]), false, odd, part);
                }
            }
        }
        let few = ways.into_iter().filter(|way| matches!(way, Way::MatVec(_)));
        for (way, norm) in few.flat_map(|way| [(way, false), (way, true)]) {
            let jobs = [
                Job::Each([Some(Put::Plain), None, None]),
                Job::Each([Some(Put::Bias), Some(Put::Plain), None]),
                Job::Each([Some(Put::Plain), Some(Put::Add), Some(Put::Bias)]),
                Job::Gated(Activation::Silu),
                Job::Gated(Activation::Gelu(Form::Tanh)),
                Job::Gated(Activation::Gelu(Form::Erf)),
                Job::Argmax,
            ];
            for job in jobs {
                compiles(way, job, norm, norm, false);
            }
        }
    }
    assert_eq!(kernels, DType::WEIGHTS.len() * (7 * 6 + 6 * 7 + 6 + 2 * 7));
}

/// The kernel as SPIR-V.
pub(super) fn compile(text: &str, subgroup_size: u32) -> Result<Vec<u32>, String> {
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
