//! Against rows dequantised by the code that is itself checked against the package `gguf`.

use super::*;
use crate::dtype::DType;
use crate::testing::{Case, Random, devices, tensor, vulkan};
use dacapo::Graph;

#[test]
fn rows_of_every_type() {
    let mut random = Random::new(21);
    for dtype in DType::WEIGHTS {
        let cols = 3 * dtype.block_len();
        let case = Case::new(&mut random, dtype, 7, cols);
        for isa in Isa::available() {
            let ids = [6, 0, 3, 3];
            let mut out = vec![f32::NAN; ids.len() * cols];
            gather(isa, &case.matrix(), &ids, &mut out).unwrap();
            for (id, out) in ids.into_iter().zip(out.chunks_exact(cols)) {
                assert_eq!(case.row(id as usize), out, "{dtype} {isa:?}");
            }
        }
    }
}

#[test]
fn unknown_ids_are_named() {
    let case = Case::new(&mut Random::new(22), DType::F32, 7, 2);
    let mut out = [0.0; 4];
    for id in [7, u32::MAX] {
        let error = gather(Isa::detect(), &case.matrix(), &[0, id], &mut out).unwrap_err();
        let message = format!("token id {id} is outside the vocabulary of 7");
        assert_eq!(error.to_string(), message);
    }
    assert!(gather(Isa::detect(), &case.matrix(), &[0], &mut out).is_err());
}

#[test]
fn on_any_number_of_threads() {
    let mut random = Random::new(23);
    for dtype in DType::WEIGHTS {
        let cols = 3 * dtype.block_len();
        let case = Case::new(&mut random, dtype, 7, cols);
        for device in devices() {
            let at = if dtype.is_quantized() { 3 } else { 8 };
            let table = case.tensor(&device, at);
            let ids = tensor(&device, DType::U32, &[5], &[6u32, 0, 3, 3, 1]);
            let out = Tensor::zeros(&device, "out", DType::F32, &[5, cols]).unwrap();
            let mut encoder = device.encoder("embed").unwrap();
            let embed = Embed::new(&device).unwrap();
            embed.encode(&mut encoder, &table, &ids, &out).unwrap();
            encoder.commit().unwrap().wait().unwrap();
            let want: Vec<f32> = [6, 0, 3, 3, 1]
                .into_iter()
                .flat_map(|id| case.row(id))
                .collect();
            assert_eq!(out.view().read::<f32>().unwrap(), want, "{dtype}");
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let device = devices().next().unwrap();
    let embed = Embed::new(&device).unwrap();
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(&device, "", dtype, shape).unwrap();
    let table = zeros(DType::Q8_0, &[7, 64]);
    let ids = tensor(&device, DType::U32, &[2], &[0u32, 7]);
    let out = zeros(DType::F32, &[2, 64]);
    let mut encoder = device.encoder("embed").unwrap();
    let mut refused = |table: &Tensor, ids: &Tensor, out: &Tensor| {
        let error = embed.encode(&mut encoder, table, ids, out).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refused(&table, &zeros(DType::F32, &[2]), &out),
        "embed: ids is F32 [2]; it must be U32 of 1 dimensions"
    );
    assert!(refused(&zeros(DType::U32, &[7, 64]), &ids, &out).contains("table is U32"));
    assert!(refused(&table, &ids, &zeros(DType::F32, &[3, 64])).contains("out is"));
    embed.encode(&mut encoder, &table, &ids, &out).unwrap();
    let failure = encoder.commit().unwrap().wait().unwrap_err().to_string();
    assert!(
        failure.contains("token id 7 is outside the vocabulary of 7"),
        "{failure}"
    );
}

#[test]
fn gpus_give_zeros_for_unknown_ids_and_take_tables_in_parts() {
    let Some(device) = vulkan() else {
        return;
    };
    let mut random = Random::new(24);
    let ids: Vec<u32> = (0..101).rev().chain([101, u32::MAX, 7]).collect();
    for dtype in DType::WEIGHTS {
        let cols = 2 * dtype.block_len();
        let case = Case::new(&mut random, dtype, 101, cols);
        let table = case.tensor(&device, 0);
        let at = tensor(&device, DType::U32, &[ids.len()], &ids);
        let want: Vec<f32> = ids
            .iter()
            .flat_map(|&id| match id {
                0..101 => case.row(id as usize),
                _ => vec![0.0; cols],
            })
            .collect();
        let bytes = table.view().len();
        for largest in [bytes, bytes - 1, bytes / 2] {
            let mut gather = gpu::Gather::new(&device);
            gather.largest = largest;
            let embed = Embed {
                form: Form::Gpu(Arc::new(gather)),
            };
            let out = tensor(
                &device,
                DType::F32,
                &[ids.len(), cols],
                &vec![9f32; want.len()],
            );
            let mut encoder = device.encoder("embed").unwrap();
            embed.encode(&mut encoder, &table, &at, &out).unwrap();
            encoder.commit().unwrap().wait().unwrap();
            assert_eq!(out.view().read::<f32>().unwrap(), want, "{dtype} {largest}");
        }
        let mut gather = gpu::Gather::new(&device);
        gather.largest = 1;
        let out = tensor(
            &device,
            DType::F32,
            &[ids.len(), cols],
            &vec![9f32; want.len()],
        );
        let embed = Embed {
            form: Form::Gpu(Arc::new(gather)),
        };
        let mut encoder = device.encoder("embed").unwrap();
        let refused = embed.encode(&mut encoder, &table, &at, &out).unwrap_err();
        assert!(refused.to_string().contains("do not fit 1"), "{refused}");
    }
}

/// The parts of a table account for the rows and the output together, each for its share, and each for the ids.
#[test]
fn work_in_parts() {
    let Some(device) = vulkan() else { return };
    for (dtype, row) in [(DType::F32, 4 * 64), (DType::Q8_0, 2 * 34)] {
        let table = Case::new(&mut Random::new(24), dtype, 256, 64).tensor(&device, 0);
        let ids = tensor(&device, DType::U32, &[8], &[0u32; 8]);
        let out = Tensor::zeros(&device, "out", DType::F32, &[8, 64]).unwrap();
        let mut gather = gpu::Gather::new(&device);
        gather.largest = 64 * row;
        let embed = Embed {
            form: Form::Gpu(Arc::new(gather)),
        };
        let graph = Graph::capture(&device, |e| embed.encode(e, &table, &ids, &out)).unwrap();
        let works = graph.nodes().iter().map(|node| node.work(None));
        let works: Vec<[u64; 2]> = works.map(|work| [work.read, work.written]).collect();
        // Four parts with two of the eight rows each.
        assert_eq!(works, [[2 * row + 4 * 8, 2 * 4 * 64]; 4], "{dtype}");
    }
}
