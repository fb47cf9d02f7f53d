//! Memory as launches reach it.

use crate::backend::Bound;
use crate::backend::launched::{self, Reach};
use crate::backend::reference::encoder::ReferenceEncoder;
use crate::backend::reference::memory::Span;

pub(super) type Part = launched::Part<ReferenceEncoder>;
pub(super) type Launch = launched::Launch<Span>;

impl Reach for Span {
    fn of(bound: &Bound<'_>) -> Span {
        Span::exact(bound)
    }

    fn len(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    fn write(&self, bytes: &[u8]) {
        self.region.write(self.range.start, bytes);
    }

    fn read(&self, bytes: &mut [u8]) {
        self.region.read(self.range.start, bytes);
    }
}
