//! In which order threads have their turns: kernels must not depend on it.

/// The order of turns between barriers.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Forward,
    Reverse,
    Shuffle,
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Gives permutations; each shuffle is another one.
#[derive(Debug)]
pub struct Order {
    kind: Kind,
    state: u64,
}

impl Order {
    /// As METAL_DOUBLE_THREADS says: forward, reverse or shuffle, the last if it says nothing.
    /// METAL_DOUBLE_SEED gives other shuffles.
    pub fn from_environment() -> Self {
        let seed = std::env::var("METAL_DOUBLE_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = SEED.wrapping_mul(seed.unwrap_or(1_u64));
        let kind = match std::env::var("METAL_DOUBLE_THREADS").as_deref() {
            Ok("forward") => Kind::Forward,
            Ok("reverse") => Kind::Reverse,
            _ => Kind::Shuffle,
        };
        Self {
            kind,
            state: seed | 1,
        }
    }

    /// Appends `count` numbers from `start` on, in the order of their turns.
    pub fn permute(&mut self, start: usize, count: usize, to: &mut Vec<u32>) {
        let first = to.len();
        to.extend((start..start + count).map(|at| at as u32));
        let turns = &mut to[first..];
        match self.kind {
            Kind::Forward => {}
            Kind::Reverse => turns.reverse(),
            Kind::Shuffle => {
                for at in (1..count).rev() {
                    let other = ((self.random() >> 32) * (at as u64 + 1)) >> 32;
                    turns.swap(at, other as usize);
                }
            }
        }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}
