//! Kernels too small to be of use, rules that fuse them, and a judge of plans: what live encoding gives.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{
    Access, Buffer, BufferView, CommandEncoder, Device, FusionRule, Graph, Kernel, KernelFault,
    KernelSource, Link, MissReason, Plan, PlanOptions, Reorder, Result, Unfit, Wgsl, Workgroup,
};

use crate::kit;

/// Elements of every buffer: one workgroup computes them all.
pub const LEN: u64 = 64;

/// `out[i] = f(inputs[i])` for a few inputs, on the processor and on GPUs.
macro_rules! kernel {
    ($device:expr, $name:literal, $inputs:literal, $wgsl:literal, $f:expr) => {{
        fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
            let inputs: Vec<&[u32]> = (0..$inputs).map(|slot| group.read::<u32>(slot)).collect();
            let len = group.len::<u32>($inputs);
            // SAFETY: there is one workgroup.
            let out = unsafe { group.write::<u32>($inputs, 0..len) };
            let f: fn(&[u32]) -> u32 = $f;
            for (at, out) in out.iter_mut().enumerate() {
                let values: Vec<u32> = inputs.iter().map(|input| input[at]).collect();
                *out = f(&values);
            }
            Ok(())
        }
        let mut text = String::new();
        let mut source = KernelSource::new($name).cpu(entry);
        for slot in 0..$inputs {
            source = source.binding::<u32>(slot, Access::Read);
            text += &format!("@group(0) @binding({slot}) var<storage, read> x{slot}: array<u32>;");
        }
        text += &format!(
            "@group(0) @binding({}) var<storage, read_write> out: array<u32>;
             @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {{
                 if i < arrayLength(&out) {{ out[i] = {}; }}
             }}",
            $inputs, $wgsl
        );
        let source = source
            .binding::<u32>($inputs, Access::Write)
            .wgsl(Wgsl::new(text));
        let source = if $name.starts_with("partly") {
            source
        } else {
            source.overwrites($inputs)
        };
        $device.kernel(&source).unwrap()
    }};
}

/// The kernels and buffers of a case.
#[derive(Debug)]
pub struct World {
    pub device: Device,
    pub double: Kernel,
    pub partly: Kernel,
    pub plus_one: Kernel,
    pub multiply: Kernel,
    pub add: Kernel,
    pub fused: Kernel,
    pub square_twice: Kernel,
    pub twin: Kernel,
    pub x: Buffer,
    pub t: Buffer,
    pub y: Buffer,
    pub z: Buffer,
}

fn add_in_place(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let (y, len) = (group.read::<u32>(1), group.len::<u32>(0));
    // SAFETY: there is one workgroup.
    let x = unsafe { group.write::<u32>(0, 0..len) };
    x.iter_mut()
        .zip(y)
        .for_each(|(x, y)| *x = x.wrapping_add(*y));
    Ok(())
}

const ADD: &str = "
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@group(0) @binding(1) var<storage, read> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
    if i < arrayLength(&x) { x[i] += y[i]; }
}";

fn twin(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let x = group.read::<u32>(0);
    for slot in [1, 2] {
        // SAFETY: there is one workgroup, and the slots do not overlap.
        let out = unsafe { group.write::<u32>(slot, 0..x.len()) };
        out.iter_mut()
            .zip(x)
            .for_each(|(out, x)| *out = x.wrapping_mul(2).wrapping_add(slot - 1));
    }
    Ok(())
}

const TWIN: &str = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> z: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
    if i < arrayLength(&x) { y[i] = 2u * x[i]; z[i] = 2u * x[i] + 1u; }
}";

impl World {
    pub fn new(device: Device) -> World {
        let buffer = || kit::buffer(&device, LEN);
        let add = KernelSource::new("add")
            .binding::<u32>(0, Access::ReadWrite)
            .binding::<u32>(1, Access::Read)
            .cpu(add_in_place)
            .wgsl(Wgsl::new(ADD));
        let twin_source = KernelSource::new("double_twin")
            .binding::<u32>(0, Access::Read)
            .binding::<u32>(1, Access::Write)
            .binding::<u32>(2, Access::Write)
            .overwrites(1)
            .overwrites(2)
            .cpu(twin)
            .wgsl(Wgsl::new(TWIN));
        World {
            double: kernel!(device, "double", 1, "2u * x0[i]", |x| x[0].wrapping_mul(2)),
            partly: kernel!(device, "partly_double", 1, "2u * x0[i]", |x| x[0]
                .wrapping_mul(2)),
            plus_one: kernel!(device, "plus_one", 1, "x0[i] + 1u", |x| x[0]
                .wrapping_add(1)),
            multiply: kernel!(device, "multiply", 2, "x0[i] * x1[i]", |x| x[0]
                .wrapping_mul(x[1])),
            fused: kernel!(device, "double_plus_one", 1, "2u * x0[i] + 1u", |x| x[0]
                .wrapping_mul(2)
                .wrapping_add(1)),
            square_twice: kernel!(device, "double_multiply", 2, "2u * x0[i] * x1[i]", |x| x[0]
                .wrapping_mul(2)
                .wrapping_mul(x[1])),
            add: device.kernel(&add).unwrap(),
            twin: device.kernel(&twin_source).unwrap(),
            x: buffer(),
            t: buffer(),
            y: buffer(),
            z: buffer(),
            device,
        }
    }

    /// `double`, `plus_one` -> `double_plus_one`; `double`, `multiply` -> `double_multiply`.
    pub fn rules(&self) -> Vec<FusionRule> {
        let (fused, square_twice) = (self.fused.clone(), self.square_twice.clone());
        let link = Link::Vanishing {
            from: (0, 1),
            to: (1, 0),
        };
        vec![
            FusionRule::new(
                "double plus one",
                &["double", "plus_one"],
                &[link],
                move |found, encoder| {
                    let (x, out) = (found.view(0, 0)?, found.view(1, 1)?);
                    if out.len() < 16 {
                        return Err(Unfit::new("fewer than four elements"));
                    }
                    encoder.dispatch(&fused, (x, out), kit::one())?;
                    Ok(())
                },
            ),
            FusionRule::new(
                "double multiply",
                &["double", "multiply"],
                &[link],
                move |found, encoder| {
                    let (x, y, out) = (found.view(0, 0)?, found.view(1, 1)?, found.view(1, 2)?);
                    encoder.dispatch(&square_twice, (x, y, out), kit::one())?;
                    Ok(())
                },
            ),
        ]
    }

    pub fn plan(&self, encode: impl Fn(&mut CommandEncoder) -> Result<()>) -> Plan {
        self.plan_with(&self.rules(), encode)
    }

    /// Plans with the rules and without, in every order, holds the results of all against those of live encoding, and
    /// gives the plan with fusion.
    pub fn plan_with(
        &self,
        rules: &[FusionRule],
        encode: impl Fn(&mut CommandEncoder) -> Result<()>,
    ) -> Plan {
        let graph = Graph::capture(&self.device, &encode).unwrap();
        let kept = [&self.x, &self.y, &self.z];
        let reset = || {
            for (seed, buffer) in [&self.x, &self.t, &self.y, &self.z].iter().enumerate() {
                let values: Vec<u32> = (0..LEN as u32).map(|at| 3 + 5 * at + seed as u32).collect();
                buffer.write(&values).unwrap();
            }
        };
        let results = || kept.map(|buffer| buffer.read::<u32>().unwrap());
        reset();
        let mut encoder = self.device.encoder("live").unwrap();
        encode(&mut encoder).unwrap();
        encoder.commit().unwrap().wait().unwrap();
        let live = results();
        let plan = |rules, reorder| {
            let options = PlanOptions {
                rules,
                reorder,
                ..PlanOptions::default()
            };
            graph.plan(&options).unwrap()
        };
        for rules in [rules, &[]] {
            let window = Reorder::Window(64.try_into().unwrap());
            for reorder in [Reorder::Free, Reorder::Never, window, Reorder::Serial] {
                reset();
                let executable = plan(rules, reorder).instantiate().unwrap();
                executable.launch("planned").unwrap().wait().unwrap();
                assert_eq!(results(), live, "{reorder:?} with {} rules", rules.len());
            }
        }
        plan(rules, Reorder::Free)
    }
}

pub fn double(
    world: &World,
    encoder: &mut CommandEncoder,
    x: &BufferView,
    y: &BufferView,
) -> Result<()> {
    encoder.dispatch(&world.double, (x, y), kit::one())
}

pub fn plus_one(
    world: &World,
    encoder: &mut CommandEncoder,
    x: &BufferView,
    y: &BufferView,
) -> Result<()> {
    encoder.dispatch(&world.plus_one, (x, y), kit::one())
}

pub fn names(plan: &Plan) -> Vec<&str> {
    plan.graph()
        .nodes()
        .iter()
        .map(|node| node.kernel().name())
        .collect()
}

/// The only near miss of a rule, if it has one.
pub fn missed<'p>(plan: &'p Plan, rule: &str) -> Option<&'p MissReason> {
    let mut found = plan
        .report()
        .fusion
        .near_misses
        .iter()
        .filter(|miss| miss.rule == rule);
    let reason = found.next().map(|miss| &miss.reason);
    assert_eq!(found.next(), None, "one near miss");
    reason
}
