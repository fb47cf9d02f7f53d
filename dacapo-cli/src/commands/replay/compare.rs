//! Whether two devices wrote the same.

#[cfg(test)]
mod tests;

use dacapo::BufferView;
use half::f16;
use serde::Serialize;

use crate::error::Result;

/// Bytes that are read at a time: whole numbers of all kinds.
const PIECE: u64 = 8 << 20;

/// What the bytes of a buffer are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    F32,
    F16,
    /// No numbers that could differ by a little.
    Bytes,
}

/// How two buffers compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Equal,
    /// Numbers differ by at most this share of the largest of the buffer.
    Close {
        kind: Kind,
        share: f64,
    },
    Different(Difference),
}

/// The first place where two buffers differ by more than they may.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) kind: Kind,
    /// In the buffer, in bytes.
    pub(super) offset: u64,
    /// What the two devices have there.
    pub(super) values: [String; 2],
    /// The greatest difference as a share of the largest number, unless bytes were compared.
    pub(super) share: Option<f64>,
}

/// Compares two buffers of one length.
pub(super) fn compare(a: &BufferView, b: &BufferView, tolerance: f64) -> Result<Outcome> {
    let mut found = Look::default();
    pieces(a, b, |_, a, b| found.add(a, b))?;
    if found.equal {
        return Ok(Outcome::Equal);
    }
    let kind = found.kind();
    let mut spread = Spread::default();
    if kind != Kind::Bytes {
        pieces(a, b, |_, a, b| spread.add(kind, a, b))?;
        let share = spread.share();
        if share <= tolerance {
            return Ok(Outcome::Close { kind, share });
        }
    }
    let limit = tolerance * spread.magnitude;
    let mut first = None;
    pieces(a, b, |start, a, b| {
        first = first
            .take()
            .or_else(|| difference(kind, start, a, b, limit));
    })?;
    let (offset, values) = first.unwrap_or_default();
    Ok(Outcome::Different(Difference {
        kind,
        offset,
        values,
        share: (kind != Kind::Bytes).then(|| spread.share()),
    }))
}

/// Reads both, piece by piece.
fn pieces(a: &BufferView, b: &BufferView, mut visit: impl FnMut(u64, &[u8], &[u8])) -> Result<()> {
    let mut at = 0;
    while at < a.len() {
        let end = a.len().min(at + PIECE);
        let (a, b) = (a.slice(at..end)?, b.slice(at..end)?);
        visit(at, &a.read::<u8>()?, &b.read::<u8>()?);
        at = end;
    }
    Ok(())
}

/// What bytes look like.
struct Look {
    equal: bool,
    /// Whether there is a whole number of numbers.
    whole: bool,
    /// Numbers of f32 that are neither zero nor too small to have all their digits, and those that are too small.
    normal: u64,
    tiny: u64,
    /// Lower halves of four bytes that are not zero; those that are ordinary numbers of f16.
    halves: u64,
    ordinary: u64,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            equal: true,
            whole: true,
            normal: 0,
            tiny: 0,
            halves: 0,
            ordinary: 0,
        }
    }
}

impl Look {
    fn add(&mut self, a: &[u8], b: &[u8]) {
        self.equal &= a == b;
        let (words, rest) = a.as_chunks::<4>();
        self.whole &= rest.is_empty();
        for word in words {
            let value = f32::from_le_bytes(*word);
            self.normal += u64::from(!value.is_subnormal() && value != 0.0);
            self.tiny += u64::from(value.is_subnormal());
            let half = f16::from_le_bytes([word[0], word[1]]).to_f32().abs();
            self.halves += u64::from(half != 0.0);
            self.ordinary += u64::from((2f32.powi(-13)..2f32.powi(8)).contains(&half));
        }
    }

    /// The lower halves of f32 are random, of which two thirds are ordinary as f16; where nearly all are, they are. Small
    /// integers are tiny as f32.
    fn kind(&self) -> Kind {
        const ENOUGH: u64 = 32;
        match (self.whole, self.normal > self.tiny) {
            (false, _) | (_, false) => Kind::Bytes,
            _ if self.halves >= ENOUGH && self.ordinary * 100 >= self.halves * 95 => Kind::F16,
            _ => Kind::F32,
        }
    }
}

/// How large numbers are, and how far apart.
#[derive(Default)]
struct Spread {
    magnitude: f64,
    difference: f64,
}

impl Spread {
    fn add(&mut self, kind: Kind, a: &[u8], b: &[u8]) {
        for (a, b) in values(kind, a).zip(values(kind, b)) {
            for value in [a, b] {
                if value.is_finite() {
                    self.magnitude = self.magnitude.max(value.abs());
                }
            }
            self.difference = self.difference.max(apart(a, b));
        }
    }

    /// The difference as a share of the magnitude.
    fn share(&self) -> f64 {
        match self.difference {
            0.0 => 0.0,
            difference => difference / self.magnitude,
        }
    }
}

/// How far two numbers are apart: not at all where both are the same infinity or no number.
fn apart(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        _ if a == b => 0.0,
        (false, false) => (a - b).abs(),
        _ => f64::INFINITY,
    }
}

fn values(kind: Kind, bytes: &[u8]) -> Box<dyn Iterator<Item = f64> + '_> {
    match kind {
        Kind::F16 => {
            let (halves, _) = bytes.as_chunks::<2>();
            let value = |half: &[u8; 2]| f16::from_le_bytes(*half).to_f64();
            Box::new(halves.iter().map(value))
        }
        Kind::F32 | Kind::Bytes => {
            let (words, _) = bytes.as_chunks::<4>();
            let value = |word: &[u8; 4]| f32::from_le_bytes(*word).into();
            Box::new(words.iter().map(value))
        }
    }
}

/// The first place in a piece from `start` on where two buffers are more than `limit` apart, and what they have there.
fn difference(
    kind: Kind,
    start: u64,
    a: &[u8],
    b: &[u8],
    limit: f64,
) -> Option<(u64, [String; 2])> {
    let size = match kind {
        Kind::Bytes => {
            let at = a.iter().zip(b).position(|(a, b)| a != b)?;
            // The four bytes that it belongs to, if there are as many.
            let at = at / 4 * 4;
            let show = |bytes: &[u8]| {
                let word = &bytes[at..bytes.len().min(at + 4)];
                let word: Vec<String> = word.iter().map(|byte| format!("{byte:02x}")).collect();
                word.join(" ")
            };
            return Some((start + at as u64, [show(a), show(b)]));
        }
        Kind::F16 => 2,
        Kind::F32 => 4,
    };
    let mut both = values(kind, a).zip(values(kind, b)).enumerate();
    let (at, (a, b)) = both.find(|(_, (a, b))| apart(*a, *b) > limit)?;
    let show = |value: f64| format!("{:?}", value as f32);
    Some((start + size * at as u64, [show(a), show(b)]))
}
