//! Threadgroup memory: poisoned for every threadgroup, with margins that show writes beyond.

use super::abi::Exchange;

const POISON: u8 = 0x55;
const MARGIN_FILL: u8 = 0xA5;
const MARGIN: usize = 256;
/// More than any device has, so that tests of limits can go beyond.
const BYTES: usize = 1 << 20;
const SIMDGROUPS: usize = 64;

struct Region {
    start: usize,
    length: usize,
    what: String,
}

/// The memory of one threadgroup at a time.
pub struct Arena {
    memory: Vec<Aligned>,
    regions: Vec<Region>,
    variables: Vec<(u32, usize)>,
    used: usize,
}

#[repr(C, align(256))]
#[derive(Clone, Copy)]
struct Aligned([u8; 256]);

const EXCHANGE_BYTES: usize = SIMDGROUPS * size_of::<Exchange>();

impl Arena {
    /// An arena with nothing in it.
    pub fn new() -> Self {
        let memory = vec![Aligned([0; 256]); (EXCHANGE_BYTES + BYTES) / 256];
        Self {
            memory,
            regions: Vec::new(),
            variables: Vec::new(),
            used: 0,
        }
    }

    fn base(&mut self) -> *mut u8 {
        self.memory.as_mut_ptr().cast()
    }

    /// All of the memory, exchanges included.
    pub fn range(&mut self) -> (*mut u8, u64) {
        (self.base(), (self.memory.len() * 256) as u64)
    }

    /// Where the lanes of a simdgroup show each other values.
    pub fn exchange(&mut self, simdgroup: usize) -> *mut Exchange {
        self.base()
            .wrapping_add(simdgroup * size_of::<Exchange>())
            .cast()
    }

    /// Forgets all regions.
    pub fn clear(&mut self) {
        self.regions.clear();
        self.variables.clear();
        self.used = 0;
    }

    /// Begins a threadgroup: only the arguments' regions remain, and all memory is poison.
    pub fn begin(&mut self, arguments: usize) {
        self.regions.truncate(arguments);
        self.variables.clear();
        self.used = self
            .regions
            .last()
            .map_or(0, |r| r.start + r.length.next_multiple_of(16) + MARGIN);
        for at in 0..self.regions.len() {
            self.poison(at);
        }
    }

    /// Gives a region; null if there is no more memory.
    pub fn add(&mut self, length: usize, align: usize, what: String) -> *mut u8 {
        let start = (self.used + MARGIN).next_multiple_of(align.max(16));
        let end = start + length.next_multiple_of(16) + MARGIN;
        if end > BYTES {
            return std::ptr::null_mut();
        }
        self.used = end;
        self.regions.push(Region {
            start,
            length,
            what,
        });
        self.poison(self.regions.len() - 1);
        self.at(start)
    }

    /// The region of a variable of the kernel's body, the same for all threads.
    pub fn variable(&mut self, id: u32, length: usize, align: usize) -> *mut u8 {
        if let Some(&(_, start)) = self.variables.iter().find(|(known, _)| *known == id) {
            return self.at(start);
        }
        let memory = self.add(
            length,
            align,
            format!("threadgroup variable {id} of the kernel's body"),
        );
        if let Some(region) = self.regions.last() {
            self.variables.push((id, region.start));
        }
        memory
    }

    /// What was written beyond its end since the threadgroup began.
    pub fn overrun(&mut self) -> Option<String> {
        for at in 0..self.regions.len() {
            let (start, length) = (self.regions[at].start, self.regions[at].length);
            for margin in [
                start - MARGIN..start,
                start + length..start + length.next_multiple_of(16) + MARGIN,
            ] {
                let memory = self.at(margin.start);
                // SAFETY: every region's margins lie in the arena, and no kernel runs now.
                let bytes = unsafe { std::slice::from_raw_parts(memory, margin.len()) };
                if let Some(beyond) = bytes.iter().position(|&b| b != MARGIN_FILL) {
                    let offset = (margin.start + beyond) as i64 - start as i64;
                    let what = &self.regions[at].what;
                    return Some(format!(
                        "write at byte {offset} of {what}, which has {length} bytes"
                    ));
                }
            }
        }
        None
    }

    fn at(&mut self, offset: usize) -> *mut u8 {
        self.base().wrapping_add(EXCHANGE_BYTES + offset)
    }

    fn poison(&mut self, region: usize) {
        let (start, length) = (self.regions[region].start, self.regions[region].length);
        let whole = MARGIN + length.next_multiple_of(16) + MARGIN;
        let (margin, memory) = (self.at(start - MARGIN), self.at(start));
        // SAFETY: `add` made sure that the region and its margins lie in the arena.
        unsafe {
            std::ptr::write_bytes(margin, MARGIN_FILL, whole);
            std::ptr::write_bytes(memory, POISON, length);
        }
    }
}
