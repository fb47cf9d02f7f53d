//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::INTERRUPTED;
use crate::error::{Error, Result};

/// Whether Ctrl-C was pressed since the watch began. Before, and at the second time, it ends the process at once.
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to watch, for the rest of the process.
    pub(crate) fn watch() -> Result<Interrupt> {
        let pressed = Arc::new(AtomicBool::new(false));
        // In this order: the first signal finds the flag unset, and then sets it.
        flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), pressed.clone())
            .map_err(Error::Signal)?;
        flag::register(SIGINT, pressed.clone()).map_err(Error::Signal)?;
        Ok(Interrupt { pressed })
    }

    pub(crate) fn pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }
}
