//! What buffers hold at first.

use super::header::Buffer;

/// What the host writes at the beginning of a buffer.
pub(crate) fn bytes(buffer: &Buffer) -> Result<Vec<u8>, String> {
    if !buffer.values.is_empty() {
        let words: Result<Vec<_>, _> = buffer.values.iter().map(word).collect();
        return Ok(words?.concat());
    }
    let count = buffer.written.or(buffer.bytes).unwrap_or(0) as usize / 4;
    let words = |word: &dyn Fn(u32) -> u32| -> Vec<u8> {
        let words = (0..count as u32).map(|at| word(at).to_le_bytes());
        words.flatten().collect()
    };
    let number = |text: &str| text.parse::<f32>().map_err(|error| error.to_string());
    Ok(match buffer.fill.split_once(':') {
        None => match &*buffer.fill {
            "" | "unwritten" => Vec::new(),
            "zero" => words(&|_| 0),
            "iota" => words(&|at| at),
            "iota_f32" => words(&|at| (at as f32).to_bits()),
            "random" => words(&scrambled),
            // Of [-1, 1).
            "random_f32" => {
                words(&|at| (scrambled(at) as i32 as f32 / (1u32 << 31) as f32).to_bits())
            }
            other => return Err(format!("unknown filling {other:?}")),
        },
        Some(("u32", text)) => {
            let value: u32 = text.parse().map_err(|error| format!("{text:?}: {error}"))?;
            words(&|_| value)
        }
        Some(("f32", text)) => {
            let value = number(text)?;
            words(&|_| value.to_bits())
        }
        Some(_) => return Err(format!("unknown filling {:?}", buffer.fill)),
    })
}

fn word(value: &toml::Value) -> Result<[u8; 4], String> {
    match value {
        toml::Value::Integer(integer) => Ok((*integer as u32).to_le_bytes()),
        toml::Value::Float(float) => Ok((*float as f32).to_le_bytes()),
        other => Err(format!("{other:?} is no number")),
    }
}

/// A number that looks like chance, the same in every run.
fn scrambled(at: u32) -> u32 {
    let mut x = at.wrapping_add(1).wrapping_mul(0x9e37_79b9);
    for multiplier in [0x85eb_ca6b, 0xc2b2_ae35] {
        x = (x ^ (x >> 15)).wrapping_mul(multiplier);
    }
    x ^ (x >> 16)
}
