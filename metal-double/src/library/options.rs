//! How a text is meant.

use std::cell::Cell;

use objc2::DefinedClass;
use objc2_metal::{MTLLanguageVersion, MTLLibraryOptimizationLevel, MTLMathMode};

use crate::object::made_by_name;

#[derive(Debug)]
pub(crate) struct Options {
    pub(super) version: Cell<MTLLanguageVersion>,
    pub(super) math: Cell<MTLMathMode>,
    pub(super) level: Cell<MTLLibraryOptimizationLevel>,
    pub(super) invariance: Cell<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Cell::new(MTLLanguageVersion::Version3_1),
            math: Cell::new(MTLMathMode::Fast),
            level: Cell::new(MTLLibraryOptimizationLevel::Default),
            invariance: Cell::new(false),
        }
    }
}

made_by_name!(CompileOptions, "MTLCompileOptions", Options, {
    #[unsafe(method(languageVersion))]
    fn language_version(&self) -> MTLLanguageVersion {
        self.ivars().version.get()
    }

    #[unsafe(method(setLanguageVersion:))]
    fn set_language_version(&self, version: MTLLanguageVersion) {
        self.ivars().version.set(version);
    }

    #[unsafe(method(fastMathEnabled))]
    fn fast_math(&self) -> bool {
        self.ivars().math.get() == MTLMathMode::Fast
    }

    #[unsafe(method(setFastMathEnabled:))]
    fn set_fast_math(&self, on: bool) {
        self.ivars().math.set(if on {
            MTLMathMode::Fast
        } else {
            MTLMathMode::Safe
        });
    }

    #[unsafe(method(mathMode))]
    fn math_mode(&self) -> MTLMathMode {
        self.ivars().math.get()
    }

    #[unsafe(method(setMathMode:))]
    fn set_math_mode(&self, mode: MTLMathMode) {
        self.ivars().math.set(mode);
    }

    #[unsafe(method(optimizationLevel))]
    fn optimization_level(&self) -> MTLLibraryOptimizationLevel {
        self.ivars().level.get()
    }

    #[unsafe(method(setOptimizationLevel:))]
    fn set_optimization_level(&self, level: MTLLibraryOptimizationLevel) {
        self.ivars().level.set(level);
    }

    #[unsafe(method(preserveInvariance))]
    fn preserve_invariance(&self) -> bool {
        self.ivars().invariance.get()
    }

    #[unsafe(method(setPreserveInvariance:))]
    fn set_preserve_invariance(&self, on: bool) {
        self.ivars().invariance.set(on);
    }
});
