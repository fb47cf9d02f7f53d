//! What plans do with whole graphs: rules upon rules, values that get memory of their own, and what they say of it.

mod common;

use dacapo::{
    Buffer, BufferPool, CommandEncoder, FusionRule, Graph, Link, PlanOptions, PoolOptions,
};

use dacapo_selftest::toys::{LEN, World, double, names, plus_one};

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

/// A part of a value that is overwritten later is another value in the same memory: moving both apart would tear the
/// first one.
#[test]
fn a_value_that_is_overwritten_in_part_is_not_torn() {
    common::on_devices(2, |device| {
        let device = &device;
        let [a, b] = [(); 2].map(|()| common::buffer(device, 16));
        let outs: Vec<Buffer> = (0..4).map(|_| common::buffer(device, 16)).collect();
        a.write(&[1u8; 64]).unwrap();
        b.write(&[2u8; 64]).unwrap();
        let pool = BufferPool::new(device, PoolOptions::default());
        let graph = Graph::capture(device, |encoder| {
            let t = pool.allocate(64)?;
            let head = t.slice(0..32)?;
            for (at, out) in outs.iter().enumerate() {
                encoder.copy(if at % 2 == 0 { &a } else { &b }, &t)?;
                encoder.copy(&b.slice(32..64)?, &head)?;
                match at % 2 {
                    0 => encoder.copy(&t, out)?,
                    _ => {
                        encoder.copy(&head, &out.slice(0..32)?)?;
                        encoder.copy(&t.slice(32..64)?, &out.slice(32..64)?)?;
                    }
                }
            }
            pool.release(t)
        })
        .unwrap();
        for rename_bytes in [0, 256, 1024, 1 << 20] {
            let options = PlanOptions {
                rename_bytes,
                ..PlanOptions::default()
            };
            let plan = graph.plan(&options).unwrap();
            plan.replay("torn").unwrap().wait().unwrap();
            for (at, out) in outs.iter().enumerate() {
                let tail = if at % 2 == 0 { 1 } else { 2 };
                let expected = [[2u8; 32], [tail; 32]].concat();
                assert_eq!(out.read::<u8>().unwrap(), expected, "{rename_bytes}, {at}");
            }
        }
    });
}
