//! Random weights and their products in f64, for the tests of several operations.

use std::num::NonZeroUsize;

use bytemuck::Pod;
use dacapo::{Backend, CooperativeMatrix, Device, DeviceOptions, DeviceSelector, MemoryKind};
use half::{bf16, f16};

use crate::dtype::DType;
use crate::quant::{WeightMatrix, dequantize};
use crate::simd::Isa;
use crate::tensor::Tensor;

/// A small generator (xorshift64*, Vigna 2016): tests must not change from run to run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// From 0 to `end`, which is above 0, without it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }

    /// Evenly between -1 and 1.
    pub(crate) fn even(&mut self) -> f32 {
        self.bits() as f32 / 2f32.powi(31) - 1.0
    }

    /// Roughly normal: the sum of several even ones.
    pub(crate) fn normal(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| (0..4).map(|_| self.even()).sum())
            .collect()
    }
}

/// Bounds the scales of random blocks.
const LARGEST_SCALE: f64 = 0.05;

/// A weight matrix of random blocks, at an odd address.
pub(crate) struct Case {
    dtype: DType,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
}

impl Case {
    pub(crate) fn new(random: &mut Random, dtype: DType, rows: usize, cols: usize) -> Self {
        let mut bytes = vec![0xAA];
        for _ in 0..rows * cols / dtype.block_len() {
            let mut block: Vec<u8> = (0..dtype.block_bytes())
                .map(|_| random.bits() as u8)
                .collect();
            let mut half = |at: usize| {
                let value = f16::from_f32(random.even() * LARGEST_SCALE as f32).to_le_bytes();
                block[at..at + 2].copy_from_slice(&value);
            };
            match dtype {
                DType::Q8_0 | DType::Q4_0 | DType::F16 => half(0),
                DType::Q4_1 | DType::Q4K => (half(0), half(2)).0,
                DType::Q6K => half(208),
                DType::F32 => block.copy_from_slice(&random.even().to_le_bytes()),
                DType::BF16 => {
                    block.copy_from_slice(&bf16::from_f32(random.even()).to_le_bytes());
                }
                DType::U32 => {}
            }
            bytes.extend(block);
        }
        Self {
            dtype,
            rows,
            cols,
            bytes,
        }
    }

    pub(crate) fn matrix(&self) -> WeightMatrix<'_> {
        WeightMatrix::new(self.dtype, self.rows, self.cols, &self.bytes[1..]).unwrap()
    }

    /// The matrix as a tensor, which starts at byte `at` of its buffer, or the next that the device allows.
    pub(crate) fn tensor(&self, device: &Device, at: usize) -> Tensor {
        let at = offset(device, at as u64) as usize;
        let mut bytes = vec![0xAA; at];
        bytes.extend(&self.bytes[1..]);
        let buffer = device.buffer(bytes.len() as u64, MemoryKind::DeviceLocal);
        let buffer = buffer.unwrap();
        buffer.write(&bytes).unwrap();
        let view = buffer.slice(at as u64..).unwrap();
        Tensor::new(view, self.dtype, &[self.rows, self.cols]).unwrap()
    }

    pub(crate) fn row(&self, row: usize) -> Vec<f32> {
        let mut weights = vec![0.0; self.cols];
        let bytes = self.matrix().row_range(row..row + 1).unwrap();
        dequantize(Isa::PORTABLE, self.dtype, bytes, &mut weights).unwrap();
        weights
    }

    /// The product of a row with `x`, and the sum of the magnitudes of its terms.
    pub(crate) fn dot(&self, row: usize, x: &[f32]) -> (f64, f64) {
        let terms = self.row(row).into_iter().zip(x);
        let terms = terms.map(|(w, &x)| f64::from(w) * f64::from(x));
        terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()))
    }

    /// The product of a row with `x`, and how far a result with `x` rounded to integers may be from it.
    pub(crate) fn rounded_dot(&self, row: usize, x: &[f32]) -> (f64, f64) {
        let (want, _) = self.dot(row, x);
        let weights = self.row(row);
        // Half a step for each activation, and the roundings of f32 sums.
        let (mut steps, mut magnitudes) = (0.0, 0.0);
        for (w, x) in weights.chunks(32).zip(x.chunks(32)) {
            let largest = f64::from(x.iter().fold(0.0f32, |m, v| m.max(v.abs())));
            let weight: f64 = w.iter().map(|w| f64::from(w.abs())).sum();
            steps += largest * weight / 32512.0;
            magnitudes += largest * 32.0 * self.largest_part();
        }
        let roundings = (self.cols / 32 + 8) as f64 * 2f64.powi(-24);
        (want, steps * 1.01 + magnitudes * roundings)
    }

    /// The product of a dequantised row with `x`, and how far a sum in f32 of its parts may be from it.
    pub(crate) fn single_dot(&self, row: &[f32], x: &[f64]) -> (f64, f64) {
        let (mut want, mut magnitude) = (0.0, 0.0);
        for (&w, &x) in row.iter().zip(x) {
            let w = f64::from(w);
            want += w * x;
            magnitude += x.abs()
                * match self.dtype.is_quantized() {
                    true => 2.0 * self.largest_part(),
                    false => w.abs(),
                };
        }
        (want, magnitude * (self.cols + 16) as f64 * 2f64.powi(-24))
    }

    /// Bounds the parts that add up to a weight, its unsigned integer and its offset each times their scale: they may
    /// cancel in the weight, but are rounded apart.
    fn largest_part(&self) -> f64 {
        LARGEST_SCALE
            * match self.dtype {
                DType::Q8_0 => 255.0,
                DType::Q4_0 | DType::Q4_1 => 15.0,
                DType::Q4K => 15.0 * 63.0,
                DType::Q6K => 63.0 * 128.0,
                other => panic!("{other} has no integers"),
            }
    }
}

/// Processors with 1, 2 and 4 threads, the reference interpreter, which fails what it finds fault with, and the Vulkan
/// and Metal devices if there are some. `DACAPO_TEST_VULKAN` and `DACAPO_TEST_METAL` say whether there must be one
/// (`require`), or none is to be used (`off`).
pub(crate) fn devices() -> impl Iterator<Item = Device> {
    let cpus = [1, 2, 4].into_iter().map(|threads| {
        let options = DeviceOptions {
            device: DeviceSelector::Backend(Backend::Cpu),
            threads: NonZeroUsize::new(threads),
            ..DeviceOptions::default()
        };
        Device::open(&options).unwrap()
    });
    cpus.chain([reference()]).chain(vulkan()).chain(metal())
}

/// The reference interpreter.
pub(crate) fn reference() -> Device {
    let options = DeviceOptions::default().with_env().unwrap();
    let device = DeviceSelector::Backend(Backend::Reference);
    Device::open(&DeviceOptions { device, ..options }).unwrap()
}

/// The reference interpreter as a device whose subgroups multiply such matrices, or none.
pub(crate) fn reference_with(matrix: Option<CooperativeMatrix>) -> Device {
    let mut options = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Reference),
        ..DeviceOptions::default()
    };
    options.gpu_without.cooperative_matrix = matrix.is_none();
    if let Some(matrix) = matrix {
        options.reference.cooperative_matrix = matrix;
    }
    Device::open(&options).unwrap()
}

/// The Vulkan device that tests use.
pub(crate) fn vulkan() -> Option<Device> {
    gpu(Backend::Vulkan)
}

/// The Metal device that tests use.
pub(crate) fn metal() -> Option<Device> {
    gpu(Backend::Metal)
}

fn gpu(backend: Backend) -> Option<Device> {
    let options = DeviceOptions {
        device: DeviceSelector::Backend(backend),
        ..DeviceOptions::default().with_env().unwrap()
    };
    dacapo_selftest::kit::gpu(backend, &options)
}

/// The smallest offset from `at` on that tensors may have on every kind of device; on GPUs one with which kernels load 16
/// bytes at once, as they do in programs.
pub(crate) fn offset(device: &Device, at: u64) -> u64 {
    match u64::from(device.limits().min_binding_alignment) {
        1 => at,
        align => at.next_multiple_of(align.max(16)),
    }
}

/// A tensor of these values, some bytes into a buffer.
pub(crate) fn tensor<T: Pod>(
    device: &Device,
    dtype: DType,
    shape: &[usize],
    values: &[T],
) -> Tensor {
    let at = offset(device, 12);
    let len = at + size_of_val(values) as u64;
    let buffer = device.buffer(len, MemoryKind::DeviceLocal).unwrap();
    let view = buffer.slice(at..).unwrap();
    view.write(values).unwrap();
    Tensor::new(view, dtype, shape).unwrap()
}

/// That matrices lie where Vulkan has them loaded from, at multiples of 16 bytes, in all kernels of a device that have any: no
/// variable in workgroup memory may push others away from there. Sizes are numbers in the text.
pub(crate) fn assert_matrices_are_aligned(device: &Device) {
    let mut checked = 0;
    for source in device.kernel_sources() {
        let text = source.wgsl_form().map_or("", |wgsl| wgsl.text());
        if !text.contains("coopLoad") {
            continue;
        }
        for variable in text.split("var<workgroup> ").skip(1) {
            let declared = variable.split(';').next().unwrap_or_default();
            let array = declared.split_once("array<").and_then(|(_, of)| {
                let (element, count) = of.strip_suffix('>')?.rsplit_once(", ")?;
                Some((element, count.parse::<usize>().ok()?))
            });
            let Some((element, count)) = array else {
                panic!("{}: `{declared}` is no array of so many", source.name());
            };
            let size = match element {
                "f16" => 2,
                "u32" | "f32" | "atomic<u32>" => 4,
                "vec4<f16>" => 8,
                "vec4<f32>" => 16,
                other => panic!("{}: elements of {other}", source.name()),
            };
            assert!(
                (size * count).is_multiple_of(16),
                "{}: `{declared}`",
                source.name()
            );
            checked += 1;
        }
    }
    assert!(checked > 0, "no kernel has matrices");
}
