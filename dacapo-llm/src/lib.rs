//! Model files, tokenizers and decoders on the dacapo runtime.
