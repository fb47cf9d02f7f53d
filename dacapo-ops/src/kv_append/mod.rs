//! Keys and values of new tokens into a layer's ring cache.

mod cpu;
