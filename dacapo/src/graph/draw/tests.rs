//! Pictures of graphs made to be awkward, and edges against every pair of nodes.

use std::sync::Arc;

use proptest::prelude::*;

use super::edges::immediate_hazards;
use crate::graph::dag;
use crate::graph::node::NodeExtent;
use crate::hazard::{AllocationId, HazardKind, RangeAccess};
use crate::{
    Access, Arg, Buffer, BufferOptions, ByteRange, CommandEncoder, Device, DeviceOptions, Error,
    Fused, FusedPart, Graph, Grid, Kernel, KernelSource, MemoryKind, Plan, PlanOptions, Reorder,
    Workgroup,
};

/// A label that breaks whatever does not escape it.
const AWKWARD: &str = "a<b>&\"c\"\\\u{1b}\n]]>宽";
/// How it is shown.
const SHOWN: &str = r#"a<b>&"c"\\u{1b}\n]]>宽"#;

fn device() -> Device {
    Device::open(&DeviceOptions::cpu()).unwrap()
}

fn buffer(device: &Device, label: &str) -> Buffer {
    let (len, kind) = (4096, MemoryKind::DeviceLocal);
    let options = BufferOptions { len, kind, label };
    device.buffer_with(&options).unwrap()
}

fn kernel(device: &Device, source: KernelSource) -> Kernel {
    device
        .kernel(&source.cpu(|_: &mut Workgroup<'_>| Ok(())))
        .unwrap()
}

/// One node of each sort, over two layers with nested scopes: hazards of all kinds, an explicit barrier, unknown
/// access, an indirect grid, a fused node and names that need escaping.
fn awkward_graph() -> Graph {
    let device = device();
    let map = KernelSource::new("map")
        .binding::<u8>(0, Access::Read)
        .binding::<u8>(1, Access::Write);
    let map = kernel(&device, map);
    let wild = KernelSource::new(AWKWARD)
        .op("wild")
        .binding::<u8>(3, Access::ReadWrite)
        .touches_anything();
    let wild = kernel(&device, wild);
    let [x, y, z, grid] = [AWKWARD, "y", "y", ""].map(|label| buffer(&device, label));
    let one = Grid::groups([1, 1, 1]);
    let mut graph = Graph::capture(&device, |encoder| {
        encoder.fill(&x, 1)?;
        let mut layer = encoder.scope("layer 0");
        {
            let mut scope = layer.scope(AWKWARD);
            scope.dispatch(&map, (&x, &y), one)?;
            scope.dispatch(&map, (&x, &z), one)?;
            scope.fill(&x, 2)?;
        }
        layer.fill(&x, 3)?;
        layer.barrier();
        drop(layer);
        let mut layer = encoder.scope("layer 1");
        layer.dispatch(&wild, [Arg::view(&z)], Grid::indirect(&grid))?;
        layer.dispatch(&map, (&y, &x), Grid::threads([64, 2, 1]))?;
        drop(layer);
        encoder.barrier();
        Ok::<(), Error>(())
    })
    .unwrap();
    let part = |index, kernel: &str| FusedPart {
        index,
        kernel: kernel.into(),
        op: kernel.into(),
    };
    graph.nodes[6].fused = Some(Arc::new(Fused {
        rule: "first + <second>",
        parts: vec![part(6, "first"), part(9, "<second>")],
    }));
    graph
}

/// Nothing moves: nodes keep their numbers.
fn planned(graph: &Graph) -> Plan {
    let options = PlanOptions {
        reorder: Reorder::Never,
        rename_bytes: 0,
        ..PlanOptions::default()
    };
    graph.plan(&options).unwrap()
}

#[test]
fn graphs_are_printed_line_by_line() {
    let graph = awkward_graph();
    let info = graph.device.info().name.clone();
    let id = |node: usize, arg: usize| graph.nodes[node].args[arg].view.allocation().index();
    let (y, z) = (id(1, 1), id(2, 1));
    let NodeExtent::Indirect(grid) = &graph.nodes[5].grid.extent else {
        panic!("{:?}", graph.nodes[5]);
    };
    let (grid, x, scope) = (grid.allocation().index(), SHOWN, format!("layer 0/{SHOWN}"));
    let expected = format!(
        "graph: 7 nodes, 3 scopes, 2 explicit barriers, hazards auto, {info} (cpu)
0 fill 1 group 0 w {x}[0..4096] + 4 B inline
1 map 1 group {scope} 0 r {x}[0..4096] 1 w y#{y}[0..4096]
2 map 1 group {scope} 0 r {x}[0..4096] 1 w y#{z}[0..4096]
3 fill 1 group {scope} 0 w {x}[0..4096] + 4 B inline
4 fill 1 group layer 0 0 w {x}[0..4096] + 4 B inline
-- barrier
5 {x} (wild) as #{grid}[0..4096] layer 1 3 rw y#{z}[0..4096] may touch anything
6 map 64x2 threads layer 1 0 r y#{y}[0..4096] 1 w {x}[0..4096]
= 6 first + 9 <second> (rule first + <second>)
-- barrier"
    );
    let text = graph.to_string();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let squeezed: Vec<String> = text.lines().map(words).collect();
    assert_eq!(squeezed.join("\n"), expected);
    let slots = |line: &str| {
        let before = line.split_once("  0 ").or(line.split_once("  3 rw"));
        before.map(|(before, _)| before.chars().count())
    };
    // The number of the first node stands after two spaces, too.
    let places: Vec<usize> = text
        .lines()
        .filter(|it| !it.starts_with("  0 "))
        .filter_map(slots)
        .collect();
    assert_eq!(
        places,
        vec![places[0]; 6],
        "slots stand below each other\n{text}"
    );
}

#[test]
fn plans_say_why_there_is_a_barrier() {
    let text = planned(&awkward_graph()).to_string();
    for part in [
        "plan: 7 nodes (1 fused) in 6 waves, 5 barriers\nwave 0\n",
        "wave 1, after a barrier: 1 map reads a<b>",
        "wave 2, after a barrier: 3 fill writes a<b>",
        "that 2 map read\n",
        "wave 3, after a barrier: 4 fill writes a<b>",
        "that 3 fill wrote\n",
        "wave 4, after a barrier: 5 a<b>",
        "wave 5, after a barrier: 6 map or 5 a<b>",
        "may touch any memory\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn pictures_are_xml_with_everything_in_it() {
    let graph = awkward_graph();
    let svg = graph.to_svg();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let of_class = |name: &str, class: &str| {
        let named = |it: &roxmltree::Node<'_, '_>| {
            let classes = it.attribute("class").unwrap_or_default();
            it.has_tag_name(name) && classes.split(' ').any(|it| it == class)
        };
        document.descendants().filter(named).count()
    };
    let edges = |class| {
        let lines = document.descendants().filter(|it| {
            it.has_tag_name("path")
                && it.attribute("class") == Some(&format!("edge {class}"))
                && it.children().any(|it| it.has_tag_name("title"))
        });
        lines.count()
    };
    assert_eq!(of_class("g", "node"), graph.nodes.len());
    assert_eq!(of_class("rect", "fused"), 1);
    assert_eq!(of_class("text", "wave"), 6);
    assert_eq!(of_class("path", "placed"), 1);
    assert_eq!(of_class("rect", "band"), 2);
    assert_eq!(
        [edges("raw"), edges("war"), edges("waw"), edges("unknown")],
        [2, 2, 1, 2],
        "{svg}"
    );
    let shown = document.descendants().filter_map(|it| it.text());
    assert!(shown.into_iter().any(|it| it == SHOWN), "{svg}");
}

#[test]
fn graphviz_gets_waves_hazards_and_fused_nodes() {
    let graph = awkward_graph();
    let dot = graph.to_dot();
    for part in [
        "subgraph cluster_wave_5 {",
        "n0 -> n1 [label=\"RAW 4.0 KiB\", style=solid];",
        "n1 -> n3 [label=\"WAR 4.0 KiB\", style=dashed];",
        "n3 -> n4 [label=\"WAW 4.0 KiB\", style=dashed];",
        "n5 -> n6 [label=\"unknown\", style=dotted];",
        "subgraph cluster_fused_6 {",
        "label=\"9 <second>\"",
        r#"5 a<b>&\"c\"\\\\u{1b}\\n]]>宽 (wild)"#,
    ] {
        assert!(dot.contains(part), "{part}\n{dot}");
    }
}

#[test]
fn an_empty_graph_has_a_picture() {
    let graph = Graph::capture(&device(), |_: &mut CommandEncoder| Ok::<(), Error>(())).unwrap();
    roxmltree::Document::parse(&graph.to_svg()).unwrap();
    assert!(graph.to_dot().contains("0 nodes, 0 waves, 0 barriers"));
    assert_eq!(
        planned(&graph).to_string(),
        "plan: 0 nodes (0 fused) in 0 waves, 0 barriers\n"
    );
}

#[test]
fn long_graphs_and_wide_waves_are_cut_short_and_say_so() {
    let device = device();
    let buffer = buffer(&device, "x");
    let graph = Graph::capture(&device, |encoder| {
        for at in 0..100 {
            encoder.fill(&buffer.slice(at..at + 1)?, 1)?;
        }
        (0..5000).try_for_each(|_| encoder.fill(&buffer, 1))
    })
    .unwrap();
    let svg = graph.to_svg();
    let text = "the first 4096 of 5100 nodes and 3997 of 5001 waves are drawn";
    for part in ["5100 nodes in 5001 waves", text, "+ 60 more"] {
        assert!(svg.contains(part), "{part}");
    }
    roxmltree::Document::parse(&svg).unwrap();
    assert!(graph.to_dot().contains(text));
}

#[derive(Clone, Debug)]
enum Step {
    Accesses(Vec<RangeAccess>),
    Wild,
}

impl Step {
    fn conflicts(&self, earlier: &Step) -> bool {
        let (Step::Accesses(own), Step::Accesses(others)) = (self, earlier) else {
            return true;
        };
        own.iter().any(|a| {
            others.iter().any(|b| {
                a.allocation == b.allocation
                    && (a.access.writes() || b.access.writes())
                    && a.range.start < b.range.end
                    && b.range.start < a.range.end
            })
        })
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let access = prop_oneof![
        3 => Just(Access::Read),
        2 => Just(Access::Write),
        1 => Just(Access::ReadWrite)
    ];
    let access =
        (0..2u32, 0..12u64, 1..6u64, access).prop_map(|(id, start, len, access)| RangeAccess {
            allocation: AllocationId::new(id),
            range: ByteRange::new(start, start + len),
            access,
        });
    let accesses = proptest::collection::vec(access, 1..4).prop_map(Step::Accesses);
    let step = prop_oneof![20 => accesses, 1 => Just(Step::Wild)];
    proptest::collection::vec(step, 1..24)
}

/// Who must wait for whom, directly or not: a row for each later node.
fn closure(len: usize, pairs: impl Fn(usize, usize) -> bool) -> Vec<Vec<bool>> {
    let mut waits = vec![vec![false; len]; len];
    for to in 0..len {
        for from in 0..to {
            if pairs(from, to) {
                waits[to][from] = true;
                let (earlier, later) = waits.split_at_mut(to);
                let inherited = later[0].iter_mut().zip(&earlier[from]);
                inherited.for_each(|(own, other)| *own |= other);
            }
        }
    }
    waits
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn edges_order_what_conflicts_and_none_is_implied(steps in steps()) {
        let uses = steps.iter().map(|step| dag::Step {
            accesses: match step {
                Step::Accesses(list) => list,
                Step::Wild => &[],
            },
            unknown: matches!(step, Step::Wild),
            fence: false,
        });
        let (edges, complete) = immediate_hazards(&uses.collect::<Vec<_>>());
        prop_assert!(complete);
        let has = |from, to| edges.iter().any(|it| (it.from, it.to) == (from, to));
        let len = steps.len();
        let expected = closure(len, |from, to| steps[to].conflicts(&steps[from]));
        prop_assert_eq!(closure(len, has), expected);
        for left_out in &edges {
            let without = closure(len, |from, to| {
                has(from, to) && (from, to) != (left_out.from, left_out.to)
            });
            prop_assert!(!without[left_out.to][left_out.from], "{:?} is implied", left_out);
            for hazard in &left_out.hazards {
                let wild = |at: usize| matches!(steps[at], Step::Wild);
                let unknown = hazard.kind == HazardKind::Unknown;
                prop_assert_eq!(unknown, wild(left_out.from) || wild(left_out.to));
            }
        }
    }
}

/// A page without the spaces that align it.
fn squeezed(page: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    page.lines().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_node_is_described_from_all_sides() {
    let graph = awkward_graph();
    let plan = planned(&graph);
    let id = |node: usize, arg: usize| graph.nodes[node].args[arg].view.allocation().index();
    let (y, z, x) = (id(1, 1), id(2, 1), SHOWN);
    let page = plan.describe(1).unwrap();
    let expected = format!(
        "node 1 of 0 to 6: map
scope layer 0/{x}
grid 1 group
work 4.0 KiB to read, 4.0 KiB to write
wave 1 of 0 to 5; in any other it would lengthen the plan
cost 0.08 us by the figures that the plan was made with; 11.76 % of the
longest chain

binds 0 r {x}[0..4096] 4.0 KiB
1 w y#{y}[0..4096] 4.0 KiB

waits for it reads {x}[0..4096] that 0 fill (wave 0)
wrote

awaited by 3 fill (wave 2) writes {x}[0..4096] that it
read

captured as 1 of 0 to 6

nearly fused nothing"
    );
    let found = squeezed(&page);
    // What chain is the longest is not the point here.
    let cost = |page: &str| {
        let lines = page.lines().filter(|line| !line.contains("figures that"));
        let lines = lines.filter(|line| *line != "longest chain");
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(cost(&found), cost(&expected));

    // Behind an explicit barrier.
    let wild = squeezed(&plan.describe(5).unwrap());
    for part in [
        "grid as #",
        &format!("binds 3 rw y#{z}[0..4096] 4.0 KiB\nand any other memory"),
        "waits for all before a barrier of the caller's\nit or 4 fill (wave 3) may touch any memory",
        "awaited by 6 map (wave 5) or it may touch any memory",
    ] {
        assert!(wild.contains(part), "{part}\n{wild}");
    }
    assert!(squeezed(&plan.describe(0).unwrap()).contains("waits for nothing"));
    assert!(squeezed(&plan.describe(0).unwrap()).contains("inline 4 B: 0x1"));
    assert_eq!(plan.describe(7), None);
}

/// A chain of copies and a node that reads them all, with longer lists and names than fit.
#[test]
fn descriptions_keep_to_their_width() {
    let device = device();
    let join = (0..12).fold(KernelSource::new("join"), |source, slot| {
        source.binding::<u8>(slot, Access::Read)
    });
    let join = kernel(
        &device,
        join.binding::<u8>(12, Access::Write).inline::<[u32; 16]>(),
    );
    let buffers: Vec<Buffer> = (0..13)
        .map(|at| buffer(&device, &format!("the values of step {at}")))
        .collect();
    let graph = Graph::capture(&device, |encoder| {
        for buffer in &buffers[..12] {
            encoder.fill(buffer, 1)?;
        }
        let mut args: Vec<Arg<'_>> = buffers.iter().map(|buffer| Arg::view(buffer)).collect();
        let constants = [7u32; 16];
        args.push(Arg::bytes(&constants));
        encoder.dispatch(&join, &args[..], Grid::groups([1, 1, 1]))
    })
    .unwrap();
    let plan = planned(&graph);
    let page = plan.describe(12).unwrap();
    assert!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{page}"
    );
    let waits = page.matches("(wave 0)").count();
    assert_eq!(waits, 8, "{page}");
    assert!(page.contains("and 4 more\n"), "{page}");
    assert!(page.contains("inline         64 B: 0x7 0x7"), "{page}");
    assert_eq!(page.matches("0x7").count(), 12, "{page}");
    let fill = plan.describe(0).unwrap();
    assert!(fill.contains("12 join (wave 1)"), "{fill}");
}
