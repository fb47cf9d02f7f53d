//! Random programs are what they should be: valid.

mod wgsl;

use naga::front::wgsl::{Frontend, Options};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use proptest::prelude::*;

const CAPABILITIES: Capabilities =
    Capabilities::IMMEDIATES.union(Capabilities::SHADER_FLOAT16_IN_FLOAT32);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn programs_are_valid(program in wgsl::programs()) {
        let text = program.text();
        let mut options = Options::new();
        options.capabilities = CAPABILITIES;
        let module = Frontend::new_with_options(options).parse(&text);
        let module = module.map_err(|error| TestCaseError::fail(error.emit_to_string(&text)))?;
        let valid = Validator::new(ValidationFlags::all(), CAPABILITIES).validate(&module);
        valid.map_err(|error| TestCaseError::fail(error.emit_to_string(&text)))?;
    }
}
