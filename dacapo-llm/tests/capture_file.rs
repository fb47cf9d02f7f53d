//! A decode step written to a file gives the same tokens on another device, which has no model.
#![allow(
    unsafe_code,
    reason = "loads files of this test as it wrote them, with the native kernels of the operations"
)]

mod common;

use common::{data, load};
use dacapo::{Contents, FileOptions, Graph, GraphFile, Work};
use dacapo_llm::{Sampling, Session, SessionOptions};
use dacapo_ops::Ops;

const STEPS: usize = 4;

#[test]
fn a_decode_step_goes_on_elsewhere() {
    for name in ["llama-gqa.q4_1.gguf", "qwen2.f16-f32.gguf"] {
        let path = data("tiny").join(name);
        for (from, to) in common::devices().into_iter().zip(common::devices()) {
            let model = load(&from, &path);
            let mut options = SessionOptions::for_model(&model);
            // What is on the device then is what the token was sampled from.
            options.passes.in_flight = 1;
            let mut session = Session::new(&model, &options).unwrap();
            session.push(&[11, 48, 85, 122], &mut |_| {}).unwrap();
            let sampling = Sampling {
                temperature: 0.8,
                seed: 3,
                ..Sampling::GREEDY
            };
            session.next_token(&sampling).unwrap();
            let graph = session.decode_graph(&sampling).unwrap();
            let options = FileOptions {
                contents: Contents::ReadFirst,
                ..FileOptions::default()
            };
            let bytes = graph.to_file(&options).unwrap();
            let work = |graph: &Graph| {
                graph
                    .nodes()
                    .iter()
                    .map(|node| node.work(Some(6)))
                    .sum::<Work>()
            };
            let captured_work = work(&graph);
            let next = |_| session.next_token(&sampling).unwrap();
            let expected: Vec<u32> = (0..STEPS).map(next).collect();
            drop((session, graph));

            let file = GraphFile::read(&bytes).unwrap();
            let sampled = file.buffers().iter().position(|it| it.label == "sampled");
            let sampled = sampled.expect("the step's result");
            if to.gpu().is_none() {
                // Compiled, so that the file can name them.
                Ops::new(&to).unwrap();
            }
            // Those that the model alone needs are among the other device's.
            let sources = [to.kernel_sources(), from.kernel_sources()].concat();
            // SAFETY: the file holds what this test has captured.
            let loaded = unsafe { file.load_trusted(&to, &[], &sources) }.unwrap();
            assert_eq!(work(&loaded.graph), captured_work);
            let replay = |_| {
                loaded.graph.replay("decode").unwrap().wait().unwrap();
                loaded.buffers[sampled].read::<u32>().unwrap()[0]
            };
            let found: Vec<u32> = (0..STEPS).map(replay).collect();
            assert_eq!(found, expected, "{name} on {to:?}");
            if to.gpu().is_some() {
                // The same without trust, which compiles the kernels with checks.
                let checked = file.load(&to, &[]).unwrap();
                let bound = work(&checked.graph);
                assert!(
                    bound.read > captured_work.read && bound.operations == 0,
                    "{bound:?}"
                );
                checked.graph.replay("decode").unwrap().wait().unwrap();
                assert_eq!(
                    checked.buffers[sampled].read::<u32>().unwrap()[0],
                    expected[0]
                );
            }
        }
    }
}
