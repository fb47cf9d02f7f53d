#[derive(Debug, clap::Args)]
pub(crate) struct Generate {}
impl Generate {
    pub(crate) fn run(self) -> crate::error::Result<crate::commands::Ending> {
        Ok(crate::commands::Ending::Complete)
    }
}
