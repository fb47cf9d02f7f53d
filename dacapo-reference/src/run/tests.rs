//! Kernels from WGSL, run on small buffers.

use std::sync::Arc;

use super::*;
use crate::memory::Region;
use crate::program::{Program, Source};
use crate::report::{Kind, Report, Reports};

fn program(text: &str, subgroup_size: u32) -> Arc<Program> {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let capabilities = Capabilities::IMMEDIATES
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SUBGROUP
        | Capabilities::SUBGROUP_BARRIER;
    let mut options = naga::front::wgsl::Options::new();
    options.capabilities = capabilities;
    let module = naga::front::wgsl::Frontend::new_with_options(options)
        .parse(text)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    let flags = ValidationFlags::all() - ValidationFlags::CONTROL_FLOW_UNIFORMITY;
    let info = Validator::new(flags, capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    let source = Source {
        name: "test",
        text,
        module: &module,
        info: &info,
        entry: 0,
        subgroup_size,
        finite: true,
    };
    Arc::new(Program::new(&source).unwrap())
}

/// Runs a kernel whose buffers at slots 0, 1, … hold these words, all read and written, and gives what they hold then.
fn run(
    text: &str,
    groups: u32,
    buffers: &[Vec<u32>],
    inline: &[u32],
) -> (Vec<Vec<u32>>, Vec<Report>) {
    let reports = Arc::new(Reports::new(100));
    let mut machine = Machine::new(Settings::default(), reports.clone());
    let regions: Vec<Arc<Region>> = buffers
        .iter()
        .map(|words| {
            let region = Region::zeroed("buffer", words.len() as u64 * 4).unwrap();
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            region.write(0, &bytes);
            Arc::new(region)
        })
        .collect();
    let bindings = regions.iter().zip(0..).map(|(region, slot)| Binding {
        slot,
        region: region.clone(),
        range: 0..region.len(),
        reads: true,
        writes: true,
    });
    let step = Step {
        label: "label".into(),
        number: 0,
        action: Action::Kernel {
            program: program(text, 4),
            bindings: bindings.collect(),
            inline: inline.iter().flat_map(|word| word.to_le_bytes()).collect(),
            groups: [groups, 1, 1],
        },
        grid: None,
    };
    machine.run(&[step]).unwrap();
    let words = regions.iter().map(|region| {
        let mut bytes = vec![0; region.len() as usize];
        region.read(0, &mut bytes);
        let words = bytes.chunks(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    });
    (words.collect(), reports.list())
}

fn floats(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_sum_over_a_tree_in_workgroup_memory() {
    let text = "
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        struct Params { scale: f32, count: u32 }
        var<immediate> p: Params;
        var<workgroup> part: array<f32, 64>;
        fn scaled(at: u32) -> f32 {
            if at >= p.count { return 0.0; }
            return p.scale * x[at];
        }
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) i: u32,
                @builtin(workgroup_id) group: vec3<u32>) {
            part[i] = scaled(id.x);
            workgroupBarrier();
            for (var step = 32u; step > 0u; step /= 2u) {
                if i < step { part[i] += part[i + step]; }
                workgroupBarrier();
            }
            if i == 0u { y[group.x] = part[0]; }
        }";
    let x: Vec<f32> = (0..200).map(|i| i as f32).collect();
    let buffers = [floats(&x), vec![0; 4]];
    let (out, reports) = run(text, 4, &buffers, &[2f32.to_bits(), 200]);
    assert_eq!(reports, []);
    let want: Vec<f32> = x
        .chunks(64)
        .map(|part| 2.0 * part.iter().sum::<f32>())
        .collect();
    assert_eq!(out[1], floats(&want));

    let (_, reports) = run(
        &text.replacen("                workgroupBarrier();\n", "", 1),
        4,
        &buffers,
        &[0, 200],
    );
    let kinds: Vec<Kind> = reports.iter().map(|report| report.kind).collect();
    assert!(kinds.contains(&Kind::RaceInWorkgroup), "{reports:?}");
    let site = reports[0].party.site.as_ref().unwrap();
    assert!(site.text.contains("part[i] += part[i + step]"), "{site:?}");
}

/// A matrix behind a pointer to a vector lies where it would behind one to its first element: strides count vectors.
#[test]
fn strides_count_what_is_pointed_at() {
    let text = "enable f16;
        enable wgpu_cooperative_matrix;
        @group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        var<workgroup> tile: array<vec4<f32>, 24>;
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {
            for (var at = i; at < 24u; at += 4u) { tile[at] = vec4<f32>(); }
            workgroupBarrier();
            let m = coopLoadT<coop_mat8x8<f32, C>>(&x[1], 3u);
            let stride = 3u;
            let at = 0u;
            coopStoreT(m, &tile[at], stride);
            workgroupBarrier();
            for (var n = i; n < 96u; n += 4u) { y[n] = tile[n / 4u][n % 4u]; }
        }";
    let x: Vec<f32> = (0..100).map(|i| i as f32).collect();
    let (out, reports) = run(text, 1, &[floats(&x), vec![0; 96]], &[]);
    assert_eq!(reports, []);
    let want: Vec<f32> = (0..96)
        .map(|at| if at % 12 < 8 { (4 + at) as f32 } else { 0.0 })
        .collect();
    assert_eq!(out[1], floats(&want));
}
