//! From weights in mapped files to tensors on a device.

use std::sync::Arc;

use dacapo::{Buffer, BufferOptions, BufferView, Device, MemoryKind};
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::Linear;
use dacapo_ops::quant::{self, LoadOnly, WeightMatrix};
use dacapo_ops::simd::Isa;
use dacapo_ops::tensor::Tensor;

use crate::decoder::DecoderError;
use crate::decoder::model::Projection;
use crate::gguf::GgmlType;
use crate::mapped::MappedFile;
use crate::model_files::ModelFiles;
use crate::weights::Weight;

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadProgress {
    /// Bytes of weights that are ready.
    pub bytes: u64,
    /// Bytes of weights in all, as they lie in the files.
    pub total: u64,
}

/// Turns weights into tensors, and remembers what had to be converted.
pub(super) struct Loader<'a> {
    device: &'a Device,
    linear: &'a Linear,
    model: &'a ModelFiles,
    /// The mapped files as read-only buffers; none on a GPU, which gets each weight by itself.
    files: Vec<Buffer>,
    progress: &'a mut dyn FnMut(LoadProgress),
    done: LoadProgress,
    converted: Vec<(GgmlType, DType, usize)>,
}

/// A mapped file, for import into a device.
struct FileBytes(Arc<MappedFile>);

impl AsRef<[u8]> for FileBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        device: &'a Device,
        linear: &'a Linear,
        model: &'a ModelFiles,
        progress: &'a mut dyn FnMut(LoadProgress),
    ) -> Result<Loader<'a>, DecoderError> {
        let import = |file: &Arc<MappedFile>| device.import("weights", FileBytes(file.clone()));
        let files = match device.gpu() {
            Some(_) => Vec::new(),
            None => model.files().iter().map(import).collect::<Result<_, _>>()?,
        };
        let total = model
            .weights()
            .iter()
            .map(|weight| weight.range.len() as u64)
            .sum();
        let done = LoadProgress { bytes: 0, total };
        Ok(Loader {
            device,
            linear,
            model,
            files,
            progress,
            done,
            converted: Vec::new(),
        })
    }

    /// A matrix for the embedding, as it lies in the file: used where it lies when a kernel takes its type and its
    /// place is aligned, copied when it is not aligned or the device is a GPU, converted when no kernel takes its
    /// type.
    pub(super) fn table(&mut self, weight: &Weight) -> Result<Tensor, DecoderError> {
        let shape = [weight.rows, weight.cols];
        let tensor = match kernel_type(weight.dtype) {
            Some(dtype) => match self.in_file(weight, dtype)? {
                Some(view) => Tensor::new(view, dtype, &shape)?,
                None => self.upload(weight, dtype, self.model.bytes(weight))?,
            },
            None => {
                let (dtype, bytes) = self.convert(weight)?;
                self.upload(weight, dtype, &bytes)?
            }
        };
        self.advance(weight);
        Ok(tensor)
    }

    /// A matrix for products: the same as the embedding's on the processor, laid out anew on a GPU.
    pub(super) fn matrix(&mut self, weight: &Weight) -> Result<Tensor, DecoderError> {
        if self.device.gpu().is_none() {
            return self.table(weight);
        }
        let converted;
        let (dtype, bytes) = match kernel_type(weight.dtype) {
            Some(dtype) => (dtype, self.model.bytes(weight)),
            None => {
                converted = self.convert(weight)?;
                (converted.0, &converted.1[..])
            }
        };
        let matrix = WeightMatrix::new(dtype, weight.rows, weight.cols, bytes)?;
        let tensor = self.linear.weights(self.device, &weight.name, &matrix)?;
        self.model.release(weight);
        self.advance(weight);
        Ok(tensor)
    }

    /// The embedding once more, for the output product of a GPU, which needs another layout. It was counted when it was
    /// read first.
    pub(super) fn tied(&mut self, weight: &Weight) -> Result<Tensor, DecoderError> {
        let (done, converted) = (self.done, self.converted.clone());
        let tensor = self.matrix(weight)?;
        (self.done, self.converted) = (done, converted);
        Ok(tensor)
    }

    /// Where a weight lies in its mapped file, if the device can use it there.
    fn in_file(&self, weight: &Weight, dtype: DType) -> Result<Option<BufferView>, DecoderError> {
        let Some(file) = self.files.get(weight.file) else {
            return Ok(None);
        };
        let view = file.slice(weight.range.start as u64..weight.range.end as u64)?;
        let aligned = view.offset().is_multiple_of(dtype.alignment() as u64);
        Ok(Some(view).filter(|_| aligned))
    }

    /// A vector of F32: norms, biases, rotary factors.
    pub(super) fn vector(&mut self, weight: &Weight) -> Result<Vec<f32>, DecoderError> {
        let plain = [GgmlType::F32, GgmlType::F16, GgmlType::BF16];
        let dtype = kernel_type(weight.dtype).filter(|_| plain.contains(&weight.dtype));
        let dtype = dtype.ok_or_else(|| wrong_type(weight, "F32, F16, BF16 for a vector"))?;
        let mut values = vec![0.0; weight.rows * weight.cols];
        quant::dequantize(Isa::detect(), dtype, self.model.bytes(weight), &mut values)?;
        self.advance(weight);
        Ok(values)
    }

    /// A vector as a tensor of one dimension.
    pub(super) fn vector_tensor(&mut self, weight: &Weight) -> Result<Tensor, DecoderError> {
        let values = self.vector(weight)?;
        let tensor = Tensor::zeros(self.device, &weight.name, DType::F32, &[values.len()])?;
        tensor.view().write(&values)?;
        Ok(tensor)
    }

    /// A matrix with its bias.
    pub(super) fn projection(
        &mut self,
        matrix: &Weight,
        bias: Option<&Weight>,
    ) -> Result<Projection, DecoderError> {
        let bias = bias.map(|bias| self.vector_tensor(bias)).transpose()?;
        Ok(Projection {
            matrix: self.matrix(matrix)?,
            bias,
        })
    }

    /// What had to be converted, a sentence for each type.
    pub(super) fn notices(&self) -> Vec<String> {
        let notice = |(from, to, count): &(GgmlType, DType, usize)| {
            let tensors = if *count == 1 {
                "tensor was"
            } else {
                "tensors were"
            };
            format!("{count} {from} {tensors} converted to {to}, which takes more memory")
        };
        self.converted.iter().map(notice).collect()
    }

    fn convert(&mut self, weight: &Weight) -> Result<(DType, Vec<u8>), DecoderError> {
        let allowed = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q6_K, and by conversion Q5_0, Q5_1, Q2_K, Q3_K, Q5_K, \
                       IQ4_NL, IQ4_XS";
        let source = load_only(weight.dtype).ok_or_else(|| wrong_type(weight, allowed))?;
        let bytes = source.convert(self.model.bytes(weight), weight.rows * weight.cols)?;
        let dtype = source.converts_to();
        match self
            .converted
            .iter_mut()
            .find(|(from, ..)| *from == weight.dtype)
        {
            Some((.., count)) => *count += 1,
            None => self.converted.push((weight.dtype, dtype, 1)),
        }
        Ok((dtype, bytes))
    }

    fn upload(&self, weight: &Weight, dtype: DType, bytes: &[u8]) -> Result<Tensor, DecoderError> {
        let kind = MemoryKind::DeviceLocal;
        let options = BufferOptions {
            len: bytes.len() as u64,
            kind,
            label: &weight.name,
        };
        let buffer = self.device.buffer_with(&options)?;
        buffer.write(bytes)?;
        self.model.release(weight);
        Ok(Tensor::new(
            (*buffer).clone(),
            dtype,
            &[weight.rows, weight.cols],
        )?)
    }

    fn advance(&mut self, weight: &Weight) {
        self.done.bytes += weight.range.len() as u64;
        (self.progress)(self.done);
    }
}

fn wrong_type(weight: &Weight, allowed: &'static str) -> DecoderError {
    DecoderError::WeightType {
        name: weight.name.clone(),
        found: weight.dtype,
        allowed,
    }
}

/// The element type of the kernels that reads this file type as it lies.
fn kernel_type(dtype: GgmlType) -> Option<DType> {
    Some(match dtype {
        GgmlType::F32 => DType::F32,
        GgmlType::F16 => DType::F16,
        GgmlType::BF16 => DType::BF16,
        GgmlType::Q8_0 => DType::Q8_0,
        GgmlType::Q4_0 => DType::Q4_0,
        GgmlType::Q4_1 => DType::Q4_1,
        GgmlType::Q4_K => DType::Q4K,
        GgmlType::Q6_K => DType::Q6K,
        _ => return None,
    })
}

fn load_only(dtype: GgmlType) -> Option<LoadOnly> {
    Some(match dtype {
        GgmlType::Q5_0 => LoadOnly::Q5_0,
        GgmlType::Q5_1 => LoadOnly::Q5_1,
        GgmlType::Q2_K => LoadOnly::Q2K,
        GgmlType::Q3_K => LoadOnly::Q3K,
        GgmlType::Q5_K => LoadOnly::Q5K,
        GgmlType::IQ4_NL => LoadOnly::Iq4Nl,
        GgmlType::IQ4_XS => LoadOnly::Iq4Xs,
        _ => return None,
    })
}
