//! Tensors and transformer kernels on the dacapo runtime.
