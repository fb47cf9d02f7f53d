#[derive(Debug, clap::Args)]
pub(crate) struct Bench {}
impl Bench {
    pub(crate) fn run(self) -> crate::error::Result<crate::commands::Ending> {
        Ok(crate::commands::Ending::Complete)
    }
}
