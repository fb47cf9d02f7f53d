//! When nodes become one, and when they must not: every condition with a case that meets it and one that does not.

mod common;

use dacapo::{
    Buffer, BufferPool, BufferView, CommandEncoder, FusionRule, Link, MissReason, PoolOptions,
    Result,
};

use dacapo_selftest::toys::{LEN, World, double, missed, names, plus_one};

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
