use super::*;
use crate::access::Access;
use crate::kernel::{KernelSource, SharedMemory};
use crate::shader::tests::{ALL_KINDS, AXPY, trusted};

pub(super) const PLAIN: MslTarget = MslTarget {
    language: (2, 4),
    subgroup_size: 32,
    f16: false,
    cooperative_matrix: None,
    subgroups: true,
};

pub(super) fn nothing_declared() -> Interface {
    KernelSource::new("kernel").interface().clone()
}

pub(super) fn ok(wgsl: &Wgsl, target: &MslTarget) -> MslShader {
    compile("kernel", wgsl, &nothing_declared(), target).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(wgsl: &Wgsl, target: &MslTarget) -> String {
    let nothing = nothing_declared();
    compile("kernel", wgsl, &nothing, target)
        .unwrap_err()
        .into()
}

fn index_of(shader: &MslShader) -> Option<u32> {
    let inline = shader.inline?;
    assert_eq!(inline.bytes, shader.interface.inline_bytes());
    Some(inline.index)
}

#[track_caller]
fn assert_has(shader: &MslShader, part: &str) {
    assert!(
        shader.text.contains(part),
        "{part:?} is not in\n{}",
        shader.text
    );
}

#[test]
fn buffers_are_numbered_without_gaps() {
    let shader = ok(&trusted(AXPY), &PLAIN);
    assert_eq!(shader.entry, "main_");
    assert_has(&shader, "kernel void main_(");
    assert_has(&shader, "x [[buffer(0)]]");
    assert_has(&shader, "y [[buffer(1)]]");
    assert_eq!(index_of(&shader), Some(2));
    assert_has(&shader, "constant Params& params [[buffer(2)]]");
    assert_eq!(shader.interface.inline_bytes(), 8);
    assert_eq!(shader.interface.workgroup(), [64, 1, 1]);
    assert!(!shader.uses_subgroups);
}

#[test]
fn slots_that_only_the_declaration_has_keep_their_index() {
    let source = KernelSource::new("kernel")
        .binding::<f32>(0, Access::Read)
        .binding::<f32>(1, Access::ReadWrite)
        .inline::<[u32; 2]>();
    let between = source.clone().binding::<f32>(5, Access::Read);
    let text = AXPY.replace("@binding(1)", "@binding(7)");
    let moved = between.binding::<f32>(7, Access::ReadWrite);
    let shader = compile("kernel", &Wgsl::new(text), moved.interface(), &PLAIN).unwrap();
    assert_has(&shader, "x [[buffer(0)]]");
    assert_has(&shader, "y [[buffer(3)]]");
    assert_eq!(index_of(&shader), Some(4));
    let slots: Vec<_> = shader.interface.bindings().iter().map(|b| b.slot).collect();
    assert_eq!(slots, [0, 7]);

    let other = KernelSource::new("kernel")
        .binding::<f32>(0, Access::Read)
        .inline::<[u32; 2]>();
    let message = compile("kernel", &Wgsl::new(AXPY), other.interface(), &PLAIN).unwrap_err();
    assert_eq!(&*message, "the code uses slot 1, which is not declared");
}

#[test]
fn lengths_are_those_of_the_arrays_in_the_order_of_the_text() {
    // Declared as 7, 3, 5, 4 (an atomic, not an array), 2; bound in the order 2, 3, 4, 5, 7.
    let shader = ok(&Wgsl::new(ALL_KINDS), &PLAIN);
    let slots: Vec<_> = shader.interface.bindings().iter().map(|b| b.slot).collect();
    assert_eq!(slots, [2, 3, 4, 5, 7]);
    let sizes = shader.sizes.as_ref().unwrap();
    assert_eq!((sizes.index, &sizes.bindings[..]), (5, &[4, 1, 3, 0][..]));
    assert_has(&shader, "_buffer_sizes [[buffer(5)]]");
    let members = shader
        .text
        .split("struct _mslBufferSizes {")
        .nth(1)
        .unwrap();
    let members = members.split('}').next().unwrap();
    assert_eq!(members.matches("uint size").count(), sizes.bindings.len());
}

#[test]
fn lengths_that_nobody_asks_for_are_no_argument() {
    let calls = "
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        fn load(at: u32) -> f32 { return x[at] * scale(); }
        fn scale() -> f32 { return x[0]; }
        fn store(at: u32, value: f32) { y[at] = value; }
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) at: u32) { store(at, load(at)); }";
    let lengths = "_buffer_sizes";
    let checked = ok(&Wgsl::new(calls), &PLAIN);
    // In the four functions and three calls, and where indices are compared.
    assert!(
        checked.text.matches(lengths).count() > 7,
        "{}",
        checked.text
    );
    assert!(checked.sizes.is_some());
    let fast = ok(&trusted(calls), &PLAIN);
    assert_eq!(fast.sizes, None);
    assert!(!fast.text.contains(lengths), "{}", fast.text);
    assert_has(
        &fast,
        "float load(\n    uint at_1,\n    device type_1 const& x\n) {",
    );
    assert_has(&fast, "y [[buffer(1)]]\n) {");
    assert_has(&fast, "scale(x);");

    let measured = "
        @group(0) @binding(0) var<storage, read_write> y: array<u32>;
        fn count() -> u32 { return arrayLength(&y); }
        @compute @workgroup_size(64) fn main() { y[0] = count(); }";
    let shader = ok(&trusted(measured), &PLAIN);
    let sizes = shader.sizes.as_ref().unwrap();
    assert_eq!((sizes.index, &sizes.bindings[..]), (1, &[0][..]));
    assert_has(&shader, "_buffer_sizes [[buffer(1)]]");
    assert_has(&shader, "count(y, _buffer_sizes)");
}

#[test]
fn workgroup_variables_are_arguments() {
    let wgsl = Wgsl::new(ALL_KINDS).constant("ROWS", 3);
    let shader = ok(&wgsl, &PLAIN);
    assert_eq!(shader.threadgroup, [48, 16]);
    assert_eq!(shader.interface.workgroup(), [96, 2, 1]);
    assert_eq!(
        shader.interface.shared_memory(),
        SharedMemory::Fixed(12 * 4 + 4)
    );
    let entry = shader.text.split("kernel void main_(").nth(1).unwrap();
    let arguments = entry.split(") {").next().unwrap();
    let (rows, flag) = (arguments.find("& rows"), arguments.find("& flag"));
    assert!(rows.unwrap() < flag.unwrap(), "{arguments}");
    assert_eq!(arguments.matches("threadgroup ").count(), 2, "{arguments}");
    assert!(shader.uses_subgroups);
    assert_has(&shader, "metal::simd_sum(");

    let other = ok(&Wgsl::new(ALL_KINDS).entry("clear"), &PLAIN);
    assert_eq!((&other.entry[..], other.uses_subgroups), ("clear", false));
    assert!(other.threadgroup.is_empty());
}

#[test]
fn what_depends_on_subgroups_is_told() {
    let text = |attribute: &str, value: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<u32>;
            @compute @workgroup_size(64) fn main(@builtin({attribute}) v: u32) {{ y[0] = {value}; }}"
        )
    };
    for (attribute, value, uses) in [
        ("local_invocation_index", "v", false),
        ("subgroup_invocation_id", "v", true),
        ("subgroup_id", "v", true),
        ("num_subgroups", "v", true),
        ("subgroup_size", "v", true),
        ("local_invocation_index", "subgroupShuffleXor(v, 1u)", true),
        ("local_invocation_index", "quadBroadcast(v, 1u)", true),
        ("local_invocation_index", "subgroupBallot(v > 3).x", true),
    ] {
        let shader = ok(&Wgsl::new(text(attribute, value)), &PLAIN);
        assert_eq!(shader.uses_subgroups, uses, "{attribute} {value}");
    }
    // Names of the source do not look like it.
    let named = text("local_invocation_index", "simd_sum").replace(" v:", " simd_sum:");
    assert!(!ok(&Wgsl::new(named), &PLAIN).uses_subgroups);
}

#[test]
fn long_inline_constants_are_a_buffer_of_the_same_index() {
    let text = |count| {
        format!(
            "struct Params {{ count: u32, rest: array<vec4<f32>, {count}> }}
            var<immediate> params: Params;
            @group(0) @binding(3) var<storage, read_write> y: array<f32>;
            @group(0) @binding(0) var<storage, read_write> z: array<f32>;
            @compute @workgroup_size(64)
            fn main(@builtin(local_invocation_index) local: u32) {{
                if local < params.count {{ y[local] = params.rest[local].y; z[0] = 1; }}
            }}"
        )
    };
    let (short, long) = (text(15), text(1000));
    let (short, long) = (ok(&Wgsl::new(short), &PLAIN), ok(&Wgsl::new(long), &PLAIN));
    for (shader, bytes) in [(&short, 256), (&long, 16016)] {
        assert_eq!(index_of(shader), Some(2));
        assert_eq!(shader.interface.inline_bytes(), bytes);
        assert_eq!(shader.interface.bindings().len(), 2);
        assert_has(shader, "params [[buffer(2)]]");
        let sizes = shader.sizes.as_ref().unwrap();
        assert_eq!((sizes.index, &sizes.bindings[..]), (3, &[1, 0][..]));
    }
    assert_has(&short, "constant Params&");
    assert_has(&long, "device Params const&");
}

#[test]
fn a_vector_of_three_takes_the_room_of_four() {
    let text = "var<immediate> v: vec3<f32>;
        @group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(1) fn main() { y[0] = v.z; }";
    let shader = ok(&Wgsl::new(text), &PLAIN);
    assert_has(&shader, "constant metal::float3& v [[buffer(1)]]");
    assert_eq!(shader.interface.inline_bytes(), 12);
    let inline = InlineArgument {
        index: 1,
        bytes: 16,
    };
    assert_eq!(shader.inline, Some(inline));
}

#[test]
fn trusted_code_has_no_checks() {
    let text = "
        struct Params { count: u32, by: u32 }
        var<immediate> params: Params;
        @group(0) @binding(0) var<storage, read> x: array<u32>;
        @group(0) @binding(1) var<storage, read_write> y: array<atomic<u32>>;
        var<workgroup> rows: array<u32, 64>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) local: u32) {
            var sum = 0u;
            for (var i = local; i < params.count; i += 64u) { sum += x[i] / params.by; }
            rows[local] = sum;
            workgroupBarrier();
            atomicAdd(&y[local], rows[63u - local]);
        }";
    let (fast, checked) = (ok(&trusted(text), &PLAIN), ok(&Wgsl::new(text), &PLAIN));
    assert_eq!(fast.interface, checked.interface);
    // Lengths, a division that may be by zero, a loop that may not end, and memory that starts as zeros.
    for (part, times) in [
        ("_buffer_sizes.size", 2),
        ("naga_div(", 1),
        ("loop_bound", 1),
        ("rows = {}", 1),
    ] {
        assert!(
            checked.text.matches(part).count() >= times,
            "{part}\n{}",
            checked.text
        );
        assert!(!fast.text.contains(part), "{part}\n{}", fast.text);
    }
}

#[test]
fn the_language_version_is_that_of_the_target() {
    for (language, stated) in [
        ((2, 4), "// language: metal2.4"),
        ((3, 2), "// language: metal3.2"),
    ] {
        let target = MslTarget { language, ..PLAIN };
        assert_has(&ok(&Wgsl::new(AXPY), &target), stated);
    }
}

#[test]
fn what_a_device_lacks_is_named() {
    let half = "enable f16;
        @group(0) @binding(0) var<storage, read_write> y: array<f16>;
        @compute @workgroup_size(1) fn main() { y[0] = y[1] * 2h; }";
    let message = refused(&Wgsl::new(half), &PLAIN);
    assert!(message.contains("^^^ unsupported"), "{message}");
    let shader = ok(&Wgsl::new(half), &MslTarget { f16: true, ..PLAIN });
    assert_has(&shader, "half");
    let alone = MslTarget {
        subgroups: false,
        ..PLAIN
    };
    let message = refused(&Wgsl::new(ALL_KINDS), &alone);
    assert!(message.contains("SUBGROUP"), "{message}");
    let message = refused(&Wgsl::new("fn main() {"), &PLAIN);
    assert!(message.contains("kernel:1:12"), "{message}");
    let message = refused(&Wgsl::new(ALL_KINDS).constant("COLUMNS", 3), &PLAIN);
    assert!(message.contains(r#"no override "COLUMNS""#), "{message}");
}

#[test]
fn matrices_are_those_of_simd_groups() {
    let text = "enable f16;
        enable wgpu_cooperative_matrix;
        @group(0) @binding(0) var<storage, read> a: array<f16>;
        @group(0) @binding(1) var<storage, read> b: array<f16>;
        @group(0) @binding(2) var<storage, read_write> c: array<f32>;
        @compute @workgroup_size(32)
        fn main() {
            let left = coopLoadT<coop_mat8x8<f16, A>>(&a[0], 8u);
            let right = coopLoadT<coop_mat8x8<f16, B>>(&b[0], 8u);
            let sum = coopLoadT<coop_mat8x8<f32, C>>(&c[0], 8u);
            let out = coopMultiplyAdd(left, right, sum);
            coopStoreT(out, &c[0], 8u);
        }";
    let message = refused(&Wgsl::new(text), &MslTarget { f16: true, ..PLAIN });
    assert!(message.contains("wgpu_cooperative_matrix"), "{message}");
    let full = MslTarget {
        f16: true,
        cooperative_matrix: Some(CooperativeMatrix::Size8),
        ..PLAIN
    };
    let shader = ok(&trusted(text), &full);
    assert_has(&shader, "metal::simdgroup_half8x8");
    assert!(shader.uses_subgroups);
    let larger = text.replace("8x8", "16x16");
    let message = refused(&Wgsl::new(larger), &full);
    assert!(message.contains("multiplies 8x8"), "{message}");
}
