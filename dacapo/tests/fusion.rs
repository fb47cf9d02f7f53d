//! When nodes become one, and when they must not: every condition with a case that meets it and one that does not.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

mod common;

use dacapo::{
    Access, Buffer, BufferPool, BufferView, CommandEncoder, Device, FusionRule, Graph, Kernel,
    KernelFault, KernelSource, Link, MissReason, Plan, PlanOptions, PoolOptions, Reorder, Result,
    Unfit, Wgsl, Workgroup,
};

/// Elements of every buffer: one workgroup computes them all.
const LEN: u64 = 64;

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
struct World {
    device: Device,
    double: Kernel,
    partly: Kernel,
    plus_one: Kernel,
    multiply: Kernel,
    add: Kernel,
    fused: Kernel,
    square_twice: Kernel,
    twin: Kernel,
    x: Buffer,
    t: Buffer,
    y: Buffer,
    z: Buffer,
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
    fn new(device: Device) -> World {
        let buffer = || common::buffer(&device, LEN);
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
    fn rules(&self) -> Vec<FusionRule> {
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
                    encoder.dispatch(&fused, (x, out), common::one())?;
                    Ok(())
                },
            ),
            FusionRule::new(
                "double multiply",
                &["double", "multiply"],
                &[link],
                move |found, encoder| {
                    let (x, y, out) = (found.view(0, 0)?, found.view(1, 1)?, found.view(1, 2)?);
                    encoder.dispatch(&square_twice, (x, y, out), common::one())?;
                    Ok(())
                },
            ),
        ]
    }

    fn plan(&self, encode: impl Fn(&mut CommandEncoder) -> Result<()>) -> Plan {
        self.plan_with(&self.rules(), encode)
    }

    /// Plans with the rules and without, in every order, holds the results of all against those of live encoding, and
    /// gives the plan with fusion.
    fn plan_with(
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

fn double(
    world: &World,
    encoder: &mut CommandEncoder,
    x: &BufferView,
    y: &BufferView,
) -> Result<()> {
    encoder.dispatch(&world.double, (x, y), common::one())
}

fn plus_one(
    world: &World,
    encoder: &mut CommandEncoder,
    x: &BufferView,
    y: &BufferView,
) -> Result<()> {
    encoder.dispatch(&world.plus_one, (x, y), common::one())
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.graph()
        .nodes()
        .iter()
        .map(|node| node.kernel().name())
        .collect()
}

/// The only near miss of a rule, if it has one.
fn missed<'p>(plan: &'p Plan, rule: &str) -> Option<&'p MissReason> {
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

/// Runs a case on every device: which kernels the plan has, and why the rule missed, if it did.
#[track_caller]
fn case(
    encode: impl Fn(&World, &mut CommandEncoder) -> Result<()>,
    expected: &[&str],
    reason: Option<fn(&MissReason) -> bool>,
) {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let plan = world.plan(|encoder| encode(&world, encoder));
        assert_eq!(names(&plan), expected);
        let missed = missed(&plan, "double plus one");
        match (missed, reason) {
            (None, None) => {}
            (Some(found), Some(wanted)) => assert!(wanted(found), "{found:?}"),
            (found, _) => panic!("near miss: {found:?}"),
        }
    });
}

#[test]
fn a_discarded_value_between_two_nodes_vanishes() {
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        },
        &["double_plus_one"],
        None,
    );
}

#[test]
fn a_value_that_is_overwritten_later_vanishes_and_the_last_one_stays() {
    case(
        |world, encoder| {
            for out in [&world.y, &world.z] {
                double(world, encoder, &world.x, &world.t)?;
                plus_one(world, encoder, &world.t, out)?;
            }
            Ok(())
        },
        &["double_plus_one", "double", "plus_one"],
        Some(|reason| matches!(reason, MissReason::NeededLater)),
    );
}

#[test]
fn a_value_that_the_host_may_read_later_stays() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let encode = |encoder: &mut CommandEncoder| {
            double(&world, encoder, &world.x, &world.t)?;
            plus_one(&world, encoder, &world.t, &world.y)
        };
        let plan = world.plan(encode);
        assert_eq!(names(&plan), ["double", "plus_one"]);
        assert_eq!(
            missed(&plan, "double plus one"),
            Some(&MissReason::NeededLater)
        );
        plan.instantiate()
            .unwrap()
            .launch("")
            .unwrap()
            .wait()
            .unwrap();
        let x = world.x.read::<u32>().unwrap();
        let doubled: Vec<u32> = x.iter().map(|x| 2 * x).collect();
        assert_eq!(world.t.read::<u32>().unwrap(), doubled);
    });
}

#[test]
fn a_block_that_was_released_is_not_needed_later() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let pool = BufferPool::new(&world.device, PoolOptions::default());
        let release = std::cell::Cell::new(false);
        let encode = |encoder: &mut CommandEncoder| {
            let t = pool.allocate(4 * LEN)?;
            double(&world, encoder, &world.x, &t)?;
            plus_one(&world, encoder, &t, &world.y)?;
            match release.get() {
                true => pool.release(t),
                false => Ok(()),
            }
        };
        let plan = world.plan(encode);
        assert_eq!(
            missed(&plan, "double plus one"),
            Some(&MissReason::NeededLater)
        );
        release.set(true);
        assert_eq!(names(&world.plan(encode)), ["double_plus_one"]);
    });
}

#[test]
fn a_value_with_a_second_reader_stays() {
    let second = |reason: &MissReason| matches!(reason, MissReason::SecondReader { node: 2 });
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.copy(&world.t, &world.z)?;
            encoder.discard(&world.t)
        },
        &["double", "plus_one", "copy"],
        Some(second),
    );
    // Before the partner as well as after it, and if it reads a part only.
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            encoder.copy(&world.t.slice(..16)?, &world.z.slice(..16)?)?;
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        },
        &["double", "plus_one", "copy"],
        Some(|reason| matches!(reason, MissReason::SecondReader { node: 1 })),
    );
}

#[test]
fn a_value_of_which_other_bytes_are_read_stays() {
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            plus_one(
                world,
                encoder,
                &world.t.slice(..128)?,
                &world.y.slice(..128)?,
            )?;
            encoder.discard(&world.t)
        },
        &["double", "plus_one"],
        Some(|reason| matches!(reason, MissReason::OtherBytes { node: 1 })),
    );
}

#[test]
fn a_value_that_may_be_written_in_part_stays() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let rule = |op: &'static str| {
            let fused = world.fused.clone();
            let link = Link::Vanishing {
                from: (0, 1),
                to: (1, 0),
            };
            FusionRule::new(
                "partly",
                &[op, "plus_one"],
                &[link],
                move |found, encoder| {
                    Ok(encoder.dispatch(
                        &fused,
                        (found.view(0, 0)?, found.view(1, 1)?),
                        common::one(),
                    )?)
                },
            )
        };
        let plan = world.plan_with(&[rule("partly_double")], |encoder| {
            encoder.dispatch(&world.partly, (&world.x, &world.t), common::one())?;
            plus_one(&world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        });
        assert_eq!(names(&plan), ["partly_double", "plus_one"]);
        let reason = missed(&plan, "partly");
        assert_eq!(reason, Some(&MissReason::PartlyWritten { node: 0 }));
    });
}

#[test]
fn a_node_that_reads_a_value_twice_stays() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let multiply = |encoder: &mut CommandEncoder, y: &BufferView| {
            double(&world, encoder, &world.x, &world.t)?;
            encoder.dispatch(&world.multiply, (&world.t, y, &world.z), common::one())?;
            encoder.discard(&world.t)
        };
        let plan = world.plan(|encoder| multiply(encoder, &world.y));
        assert_eq!(names(&plan), ["double_multiply"]);
        let plan = world.plan(|encoder| multiply(encoder, &world.t));
        assert_eq!(names(&plan), ["double", "multiply"]);
        let reason = missed(&plan, "double multiply");
        assert_eq!(reason, Some(&MissReason::SameOperand { node: 1 }));
    });
}

#[test]
fn nodes_move_past_what_does_not_concern_them_and_no_further() {
    // Nothing to do with them.
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            encoder.fill(&world.z, 9)?;
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        },
        &["double_plus_one", "fill"],
        None,
    );
    // The input changes in between: the second node moves to the first.
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            encoder.fill(&world.x, 9)?;
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        },
        &["double_plus_one", "fill"],
        None,
    );
    // The output is read in between: the first moves to the second.
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            encoder.copy(&world.y, &world.z)?;
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        },
        &["copy", "double_plus_one"],
        None,
    );
    // Both: they cannot meet.
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            encoder.copy(&world.y, &world.x)?;
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        },
        &["double", "copy", "plus_one"],
        Some(|reason| matches!(reason, MissReason::Between { node: 1, .. })),
    );
}

#[test]
fn nodes_do_not_move_across_a_barrier_of_the_caller() {
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            encoder.barrier();
            plus_one(world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        },
        &["double", "plus_one"],
        Some(|reason| matches!(reason, MissReason::Barrier { node: 1 })),
    );
    // One in front of both stays there.
    common::on_devices(2, |device| {
        let world = World::new(device);
        let plan = world.plan(|encoder| {
            encoder.fill(&world.z, 1)?;
            encoder.barrier();
            double(&world, encoder, &world.x, &world.t)?;
            plus_one(&world, encoder, &world.t, &world.y)?;
            encoder.discard(&world.t)
        });
        assert_eq!(names(&plan), ["fill", "double_plus_one"]);
        assert_eq!(plan.waves().len(), 2);
    });
}

#[test]
fn a_rule_can_refuse() {
    case(
        |world, encoder| {
            double(world, encoder, &world.x.slice(..8)?, &world.t.slice(..8)?)?;
            plus_one(world, encoder, &world.t.slice(..8)?, &world.y.slice(..8)?)?;
            encoder.discard(&world.t)
        },
        &["double", "plus_one"],
        Some(
            |reason| matches!(reason, MissReason::Unfit(unfit) if unfit.to_string().contains("four")),
        ),
    );
    // So can the encoder: the fused kernel would read what it writes.
    case(
        |world, encoder| {
            double(world, encoder, &world.x, &world.t)?;
            plus_one(world, encoder, &world.t, &world.x)?;
            encoder.discard(&world.t)
        },
        &["double", "plus_one"],
        Some(
            |reason| matches!(reason, MissReason::Unfit(unfit) if unfit.to_string().contains("overlap")),
        ),
    );
}

#[test]
fn a_replacement_that_touches_other_bytes_is_refused() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let rule = |name, out: &Buffer| {
            let (fused, out) = (world.fused.clone(), out.clone());
            let link = Link::Vanishing {
                from: (0, 1),
                to: (1, 0),
            };
            FusionRule::new(
                name,
                &["double", "plus_one"],
                &[link],
                move |found, encoder| {
                    Ok(encoder.dispatch(&fused, (found.view(0, 0)?, &*out), common::one())?)
                },
            )
        };
        for (rule, part) in [
            (
                rule("elsewhere", &world.z),
                "which the nodes it stands for do not",
            ),
            (
                rule("nowhere", &common::buffer(&world.device, LEN)),
                "leaves out",
            ),
        ] {
            let plan = world.plan_with(&[rule], |encoder| {
                encoder.fill(&world.z, 0)?;
                double(&world, encoder, &world.x, &world.t)?;
                plus_one(&world, encoder, &world.t, &world.y)?;
                encoder.discard(&world.t)
            });
            let reason = &plan.report().fusion.near_misses[0].reason;
            let unfit =
                matches!(reason, MissReason::Unfit(unfit) if unfit.to_string().contains(part));
            assert!(unfit, "{reason:?}");
        }
    });
}

/// Doubles `x` to `y`, and then `y + 1` to `z`, where `y` stays; and two nodes that share an input.
#[test]
fn values_can_be_passed_on_and_inputs_shared() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let rule = |name, ops: &[&'static str], link, output: (usize, u32)| {
            let twin = world.twin.clone();
            FusionRule::new(name, ops, &[link], move |found, encoder| {
                let (x, y, z) = (
                    found.view(0, 0)?,
                    found.view(0, 1)?,
                    found.view(output.0, output.1)?,
                );
                Ok(encoder.dispatch(&twin, (x, y, z), common::one())?)
            })
        };
        let passed = Link::Passed {
            from: (0, 1),
            to: (1, 0),
        };
        let passed = rule("passed", &["double", "plus_one"], passed, (1, 1));
        let plan = world.plan_with(&[passed], |encoder| {
            double(&world, encoder, &world.x, &world.y)?;
            plus_one(&world, encoder, &world.y, &world.z)
        });
        assert_eq!(names(&plan), ["double_twin"]);
        let fused = plan.graph().nodes()[0].fused().unwrap();
        let parts: Vec<_> = fused
            .parts
            .iter()
            .map(|part| (part.index, &*part.kernel))
            .collect();
        assert_eq!(
            (fused.rule, &parts[..]),
            ("passed", &[(0, "double"), (1, "plus_one")][..])
        );

        let shared = Link::Shared((0, 0), (1, 0));
        let shared = rule("shared", &["double", "double_plus_one"], shared, (1, 1));
        let encode = |change: bool| {
            let world = &world;
            move |encoder: &mut CommandEncoder| {
                encoder.dispatch(&world.fused, (&world.x, &world.z), common::one())?;
                if change {
                    encoder.fill(&world.x, 3)?;
                }
                double(world, encoder, &world.x, &world.y)
            }
        };
        let plan = world.plan_with(core::slice::from_ref(&shared), encode(false));
        assert_eq!(names(&plan), ["double_twin"], "the partner may come first");
        let plan = world.plan_with(&[shared], encode(true));
        assert_eq!(plan.graph().nodes().len(), 3, "the input has changed");
    });
}

#[test]
fn rules_build_on_each_other() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let mut rules = world.rules();
        // What the first makes, the second takes in: y += 2 x + 1 through t stays two nodes, one fewer than before.
        let (fused, add) = (world.fused.clone(), world.add.clone());
        let links = [
            Link::Vanishing {
                from: (0, 1),
                to: (1, 0),
            },
            Link::Passed {
                from: (1, 1),
                to: (2, 1),
            },
        ];
        rules.push(FusionRule::new(
            "whole",
            &["double", "plus_one", "add"],
            &links,
            move |found, encoder| {
                encoder.dispatch(
                    &fused,
                    (found.view(0, 0)?, found.view(1, 1)?),
                    common::one(),
                )?;
                Ok(
                    encoder.dispatch(
                        &add,
                        (found.view(2, 0)?, found.view(2, 1)?),
                        common::one(),
                    )?,
                )
            },
        ));
        rules.reverse();
        let plan = world.plan_with(&rules, |encoder| {
            double(&world, encoder, &world.x, &world.t)?;
            plus_one(&world, encoder, &world.t, &world.z)?;
            encoder.dispatch(&world.add, (&world.y, &world.z), common::one())?;
            encoder.discard(&world.t)
        });
        assert_eq!(names(&plan), ["double_plus_one", "add"]);
        assert_eq!(plan.report().fusion.counts(), [("whole", 1)]);
        assert_eq!(plan.report().captured.nodes, 3);
        assert_eq!(plan.report().fused.nodes, 2);
    });
}

/// A chain through one block of a pool, issued again and again, against another chain: the second waits for the first
/// only because of the memory.
#[test]
fn values_that_share_memory_get_their_own_where_others_would_wait() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        // One block fills a slab, so that it is issued again as soon as it is released.
        let options = PoolOptions {
            slab_bytes: 4 * LEN,
            ..PoolOptions::default()
        };
        let pool = BufferPool::new(&world.device, options);
        let outs: Vec<Buffer> = (0..6).map(|_| common::buffer(&world.device, LEN)).collect();
        let encode = |encoder: &mut CommandEncoder| {
            for out in &outs {
                let t = pool.allocate(4 * LEN)?;
                double(&world, encoder, &world.x, &t)?;
                plus_one(&world, encoder, &t, out)?;
                pool.release(t)?;
            }
            Ok::<(), dacapo::Error>(())
        };
        let graph = Graph::capture(&world.device, encode).unwrap();
        world.x.write(&[7u32; LEN as usize]).unwrap();
        let mut longest = Vec::new();
        for rename_bytes in [0, 256, 512, 1 << 20] {
            let options = PlanOptions {
                rename_bytes,
                ..PlanOptions::default()
            };
            let plan = graph.plan(&options).unwrap();
            let report = plan.report();
            let spent: u64 = report.moved.iter().map(|moved| moved.to.len()).sum();
            assert!(spent <= rename_bytes);
            assert_eq!(report.captured, report.fused);
            assert_eq!(plan.waves().len() as u32, report.renamed.longest_path);
            longest.push(report.renamed.longest_path);
            plan.instantiate()
                .unwrap()
                .launch("")
                .unwrap()
                .wait()
                .unwrap();
            for out in &outs {
                assert_eq!(out.read::<u32>().unwrap(), [15; LEN as usize]);
                out.write(&[0u32; LEN as usize]).unwrap();
            }
        }
        // Each of the six waits for the one before; one that moves away splits the chain; in the end none waits.
        assert_eq!(longest.first(), Some(&12));
        assert_eq!(longest.last(), Some(&2));
        assert!(longest.is_sorted_by(|a, b| a >= b), "{longest:?}");
    });
}

#[test]
fn a_plan_explains_itself() {
    common::on_devices(2, |device| {
        let world = World::new(device);
        let plan = world.plan(|encoder| {
            double(&world, encoder, &world.x, &world.y)?;
            encoder.dispatch(&world.add, (&world.y, &world.x), common::one())?;
            encoder.fill(&world.z, 4)?;
            encoder.dispatch(&world.add, (&world.y, &world.x), common::one())
        });
        assert_eq!(plan.waves().len(), 3);
        assert_eq!(plan.barriers().len(), 2);
        for (wave, barrier) in plan.barriers().iter().enumerate() {
            assert_eq!(barrier.before as usize, wave + 1);
            assert!(
                barrier.cause.to_string().contains("read after write"),
                "{barrier:?}"
            );
        }
        let path = plan.critical_path();
        let on_path: Vec<_> = path
            .iter()
            .map(|node| plan.graph().nodes()[node.node as usize].op_kind())
            .collect();
        assert_eq!(on_path, ["double", "add", "add"]);
        assert!((path.iter().map(|node| node.share).sum::<f64>() - 1.0).abs() < 1e-9);
        let fill = plan
            .graph()
            .nodes()
            .iter()
            .position(|node| node.op_kind() == "fill")
            .unwrap();
        let explained = plan.explain(fill).unwrap();
        assert_eq!((explained.window, explained.waits_for), ([0, 2], None));
        let last = plan.graph().nodes().len() - 1;
        let explained = plan.explain(last).unwrap();
        assert_eq!(explained.window, [2, 2]);
        assert!(explained.waits_for.is_some() && explained.awaited_by.is_empty());
        assert_eq!(plan.explain(4), None);
    });
}
