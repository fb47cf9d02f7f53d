//! Inputs and comparisons that the tests of several operations share.

use dacapo::{Backend, CommandEncoder, Device, MemoryKind};

use crate::dtype::DType;
use crate::rope;
use crate::tensor::Tensor;
use crate::testing::{devices, offset};

/// A fixed sequence of values in -1..1 (SplitMix64), the same on every machine.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<f32> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Checks every element against its f64 reference: within `relative` of it, or within `absolute`.
#[track_caller]
pub(crate) fn assert_close(found: &[f32], exact: &[f64], relative: f64, absolute: f64) {
    assert_eq!(found.len(), exact.len());
    for (i, (&found, &exact)) in found.iter().zip(exact).enumerate() {
        let error = (f64::from(found) - exact).abs();
        assert!(
            error <= relative * exact.abs() || error <= absolute,
            "element {i}: {found:e}, exactly {exact:e}"
        );
    }
}

/// Lengths around the sizes of vectors and blocks.
pub(crate) const ODD_LENGTHS: [usize; 14] =
    [1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 255, 576, 1537];

/// A device, and tensors on it that lie at odd offsets of larger buffers.
pub(crate) struct Bench {
    pub(crate) device: Device,
}

/// Runs `test` on every device of [`devices`].
pub(crate) fn on_devices(test: impl Fn(&Bench)) {
    devices().for_each(|device| test(&Bench { device }));
}

impl Bench {
    /// Whether this is the reference interpreter, on which tests with many large cases run some of them.
    pub(crate) fn is_interpreted(&self) -> bool {
        self.device.info().backend == Backend::Reference
    }

    pub(crate) fn zeros(&self, dtype: DType, shape: &[usize]) -> Tensor {
        let size = dtype.alignment() as u64;
        let bytes = dtype.matrix_bytes(1, shape.iter().product()).unwrap() as u64;
        let at = offset(&self.device, 3 * size);
        let buffer = self
            .device
            .buffer(at + bytes + 5 * size, MemoryKind::DeviceLocal)
            .unwrap();
        let view = buffer.slice(at..at + bytes).unwrap();
        // It is zero as it is; the interpreter wants to see that it is meant to be.
        view.write(&vec![0u8; bytes as usize]).unwrap();
        Tensor::new(view, dtype, shape).unwrap()
    }

    pub(crate) fn f32(&self, shape: &[usize], values: &[f32]) -> Tensor {
        let tensor = self.zeros(DType::F32, shape);
        tensor.view().write(values).unwrap();
        tensor
    }

    /// The values as F16 or F32, as caches have them.
    pub(crate) fn floats(&self, dtype: DType, shape: &[usize], values: &[f32]) -> Tensor {
        if dtype != DType::F16 {
            return self.f32(shape, values);
        }
        let tensor = self.zeros(dtype, shape);
        let halves: Vec<_> = values.iter().copied().map(half::f16::from_f32).collect();
        tensor.view().write(&halves).unwrap();
        tensor
    }

    pub(crate) fn u32(&self, shape: &[usize], values: &[u32]) -> Tensor {
        let tensor = self.zeros(DType::U32, shape);
        tensor.view().write(values).unwrap();
        tensor
    }

    /// The table of a rotation of so many elements of each head.
    pub(crate) fn frequencies(&self, dims: usize) -> Tensor {
        let config = rope::Config {
            dims,
            theta: 1e4,
            scaling: rope::Scaling::None,
            factors: &[],
        };
        let table = rope::frequencies(&config).unwrap();
        self.u32(&[table.len(), 2], table.as_flattened())
    }

    pub(crate) fn read<T: bytemuck::Pod>(&self, tensor: &Tensor) -> Vec<T> {
        tensor.view().read::<T>().unwrap()
    }

    /// Encodes, submits and waits.
    pub(crate) fn run(
        &self,
        encode: impl FnOnce(&mut CommandEncoder) -> crate::Result<()>,
    ) -> crate::Result<()> {
        let mut encoder = self.device.encoder("test")?;
        encode(&mut encoder)?;
        Ok(encoder.commit()?.wait()?)
    }

    /// Checks that `encode` is refused with a message that holds `message`.
    #[track_caller]
    pub(crate) fn refuses(
        &self,
        encode: impl FnOnce(&mut CommandEncoder) -> crate::Result<()>,
        message: &str,
    ) {
        match self.run(encode) {
            Ok(()) => panic!("not refused: {message}"),
            Err(error) => {
                let found = error.to_string();
                assert!(found.contains(message), "{found}, without {message}");
            }
        }
    }
}
