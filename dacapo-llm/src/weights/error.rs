//! What can be wrong with a model's set of tensors.

/// Why a model's tensors were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Tensors that the model needs are not there.
    #[error("{count} tensors are missing: {}", list(names, *count))]
    Missing {
        /// The names of the first of them.
        names: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// A tensor has another shape than the hyperparameters imply.
    #[error(
        "tensor {name:?} has shape {found:?}, the model's configuration implies {wanted:?} (rows, columns)"
    )]
    Shape {
        /// The tensor's name.
        name: String,
        /// Its shape, slowest dimension first.
        found: Vec<u64>,
        /// What it should be: rows and columns.
        wanted: [usize; 2],
    },
    /// There are tensors that a model of this architecture and configuration does not have.
    #[error("{count} tensors have no place in this model: {}", list(names, *count))]
    Unexpected {
        /// The names of the first of them.
        names: Vec<String>,
        /// How many there are.
        count: usize,
    },
}

fn list(names: &[String], count: usize) -> String {
    let mut text = names.join(", ");
    if count > names.len() {
        text.push_str(", ...");
    }
    text
}
