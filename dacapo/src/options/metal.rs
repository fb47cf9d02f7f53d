use core::str::FromStr;

/// How Metal is used. Neither choice has been measured on Apple's hardware: `dacapo selftest` measures both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetalOptions {
    /// Executables are indirect command buffers where everything in them can be one, instead of lists that are encoded
    /// anew for each launch.
    pub indirect: bool,
    /// Command buffers keep what they use alive, in addition to submissions, which do so anyhow unless the encoder is
    /// opened by [`Device::encoder_unretained`](crate::Device::encoder_unretained).
    pub retained: bool,
}

impl FromStr for MetalOptions {
    type Err = ();

    fn from_str(text: &str) -> Result<MetalOptions, ()> {
        let mut options = MetalOptions::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            match name {
                "indirect" => options.indirect = true,
                "retained" => options.retained = true,
                _ => return Err(()),
            }
        }
        Ok(options)
    }
}
