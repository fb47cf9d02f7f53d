//! Models of known shapes with made weights: to measure speed where the model itself is not at hand.

mod gguf;
mod noise;
mod shape;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use dacapo_llm::gguf::GgufFile;
use dacapo_llm::{MappedFile, ModelFiles};

use self::gguf::Image;
pub use self::noise::Dtype;
pub use self::shape::Shape;
use crate::work::Result;

/// The model in memory, as a file of it would be.
pub fn in_memory(shape: &str, dtype: Dtype) -> Result<ModelFiles> {
    let image = Image::new(shape, &Shape::named(shape)?, dtype);
    let mut put = Ok(());
    let name = format!("{shape} {}", dtype.name());
    let memory = MappedFile::in_memory(name, image.len(), |mut bytes| put = image.put(&mut bytes))?;
    put?;
    let file = GgufFile::from_mapped(Arc::new(memory))?;
    Ok(ModelFiles::from_gguf(file)?)
}

/// The model as a file, for engines that need one.
pub fn save(shape: &str, dtype: Dtype, path: &Path) -> Result<()> {
    let image = Image::new(shape, &Shape::named(shape)?, dtype);
    let write = |path| image.put(&mut BufWriter::new(File::create(path)?));
    write(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Bytes of the model's weights.
pub fn bytes(shape: &str, dtype: Dtype) -> Result<u64> {
    Ok(Image::new(shape, &Shape::named(shape)?, dtype).weight_bytes())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use dacapo_llm::{Model, Sampling, Session, SessionOptions};

    use super::*;

    #[test]
    fn made_weights_of_every_type_give_finite_logits() {
        let device = crate::work::open("cpu").expect("the processor");
        for dtype in Dtype::value_variants() {
            let files = in_memory("tiny", *dtype).expect("a model");
            let model = Model::load(&device, &files, &mut |_| {}).expect("loaded");
            assert_eq!(model.notices(), [] as [&str; 0]);
            let options = SessionOptions::for_model(&model);
            let mut session = Session::new(&model, &options).expect("a session");
            let tokens: Vec<u32> = (3..40).collect();
            session.push(&tokens, &mut |_| {}).expect("a pass");
            let logits = session.logits().expect("logits");
            let spread = logits.iter().map(|value| value.abs()).fold(0.0, f32::max);
            assert!(logits.iter().all(|value| value.is_finite()), "{dtype:?}");
            assert!((0.01..100.0).contains(&spread), "{dtype:?}: {spread}");
            session.next_token(&Sampling::GREEDY).expect("a token");
        }
    }

    #[test]
    fn a_file_is_what_memory_holds() {
        let path = std::env::temp_dir().join(format!("dacapo-made-{}.gguf", std::process::id()));
        save("tiny", Dtype::Q4K, &path).expect("saved");
        let read = std::fs::read(&path);
        std::fs::remove_file(&path).expect("removed");
        let made = in_memory("tiny", Dtype::Q4K).expect("a model");
        assert_eq!(read.expect("read"), made.files()[0].bytes());
    }

    #[test]
    fn head_norms_are_made_where_the_architecture_has_them() {
        let shape = Shape::named("qwen3-0.6b").expect("a shape");
        let mut small = shape.clone();
        (small.num_hidden_layers, small.vocab_size) = (1, 300);
        let image = Image::new("small", &small, Dtype::Q8_0);
        let mut bytes = Vec::new();
        image.put(&mut bytes).expect("written");
        assert_eq!(bytes.len(), image.len());
        let memory = MappedFile::in_memory("small", bytes.len(), |to| to.copy_from_slice(&bytes));
        let file = GgufFile::from_mapped(Arc::new(memory.expect("memory"))).expect("a file");
        let files = ModelFiles::from_gguf(file).expect("a model");
        assert!(files.config().qk_norm && files.config().tied_embeddings);
        assert_eq!(files.config().head_dim, 128);
    }
}
