//! Any bytes as a GGUF file: the header, the hyperparameters and the places of the weights.
#![no_main]

use dacapo_llm::gguf::GgufHeader;
use dacapo_llm::tensors::TensorIndex;
use dacapo_llm::{ModelConfig, Weights};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = GgufHeader::parse(bytes) else {
        return;
    };
    for (_, tensor) in header.tensors() {
        assert!(bytes.get(tensor.range()).is_some());
    }
    let Ok(config) = ModelConfig::from_gguf(&header) else {
        return;
    };
    if let Ok(weights) = Weights::resolve(&config, &TensorIndex::from_gguf(&header)) {
        assert_eq!(weights.layers.len(), config.layers);
        for weight in weights.iter() {
            let size = weight.dtype.size_of((weight.rows * weight.cols) as u64);
            assert_eq!(size, Some(weight.range.len() as u64));
        }
    }
});
