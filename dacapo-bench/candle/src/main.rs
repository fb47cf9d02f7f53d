//! candle's quantised Llama on the processor as a contestant of `dacapo-bench model`: the protocol is in
//! `dacapo-bench/src/model/protocol.rs`.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::{MAX_SEQ_LEN, ModelWeights};
use serde::Deserialize;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    Load(Load),
    Measure(Measure),
    Quit,
}

#[derive(Deserialize)]
struct Load {
    file: Option<PathBuf>,
    device: String,
    threads: usize,
}

#[derive(Clone, Copy, Deserialize)]
struct Measure {
    context: usize,
    prompt: usize,
    generate: usize,
}

struct Engine {
    model: ModelWeights,
    /// Tokens in the cache.
    position: usize,
}

fn main() -> Result<()> {
    let mut engine = None;
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Ask::Load(load) => Engine::load(&load).map(|(loaded, answer)| {
                engine = Some(loaded);
                answer
            }),
            Ask::Measure(measure) => match &mut engine {
                Some(engine) => engine.measure(measure),
                None => Err("nothing is loaded".into()),
            },
            Ask::Quit => {
                println!("{}", json!({ "device_bytes": null }));
                break;
            }
        };
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

impl Engine {
    fn load(load: &Load) -> Result<(Engine, Value)> {
        if load.device != "cpu" {
            return Err(format!(
                "candle was built for the processor, asked for {}",
                load.device
            )
            .into());
        }
        let file = load
            .file
            .as_ref()
            .ok_or("candle loads files alone, found none")?;
        let begun = Instant::now();
        let mut reader = std::fs::File::open(file)?;
        let content = Content::read(&mut reader)?;
        let architecture = content.metadata.get("general.architecture");
        let architecture = architecture
            .ok_or("the file names no architecture")?
            .to_string()?;
        if architecture != "llama" {
            return Err(format!("this adapter runs llama alone, found {architecture}").into());
        }
        let model = ModelWeights::from_gguf(content, &mut reader, &Device::Cpu)?;
        let answer = json!({
            "engine": "candle 0.9",
            "settings": format!("quantized_llama, {} threads (RAYON_NUM_THREADS)", load.threads),
            "seconds": begun.elapsed().as_secs_f64(),
        });
        Ok((Engine { model, position: 0 }, answer))
    }

    fn measure(&mut self, measure: Measure) -> Result<Value> {
        let Measure {
            context,
            prompt,
            generate,
        } = measure;
        let asked = context.max(1) + generate;
        if asked.max(prompt) > MAX_SEQ_LEN {
            let cannot = format!(
                "candle's quantized_llama holds {MAX_SEQ_LEN} positions, asked for {asked}"
            );
            return Ok(json!({ "cannot": cannot }));
        }
        self.position = 0;
        let fill = self.push(context.max(1))?;
        let begun = Instant::now();
        for _ in 0..generate {
            self.push(1)?;
        }
        let decode = begun.elapsed().as_secs_f64();
        // Its mask is that of an empty cache, so that no prompt can follow another.
        let prefill = match context {
            0 => {
                self.position = 0;
                Some(self.push(prompt)?)
            }
            _ => None,
        };
        Ok(json!({ "fill": fill, "decode": decode, "prefill": prefill }))
    }

    /// Puts so many tokens behind those in the cache, which is empty at position 0, and gives the seconds.
    fn push(&mut self, count: usize) -> Result<f64> {
        let tokens: Vec<u32> = (0..count).map(|at| 100 + at as u32 % 150).collect();
        let begun = Instant::now();
        let tokens = Tensor::new(tokens.as_slice(), &Device::Cpu)?.unsqueeze(0)?;
        self.model.forward(&tokens, self.position)?;
        self.position += count;
        Ok(begun.elapsed().as_secs_f64())
    }
}
