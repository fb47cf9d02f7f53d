use core::ops::{Deref, DerefMut};

use crate::encoder::CommandEncoder;

/// An encoder inside a scope. The scope ends when this is dropped.
#[derive(Debug)]
pub struct Scope<'a> {
    encoder: &'a mut CommandEncoder,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(encoder: &'a mut CommandEncoder) -> Scope<'a> {
        Scope { encoder }
    }
}

impl Deref for Scope<'_> {
    type Target = CommandEncoder;

    fn deref(&self) -> &CommandEncoder {
        self.encoder
    }
}

impl DerefMut for Scope<'_> {
    fn deref_mut(&mut self) -> &mut CommandEncoder {
        self.encoder
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        self.encoder.end_scope();
    }
}
