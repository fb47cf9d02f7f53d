//! What the double pretends to have and how it runs; set by the environment at the start and by [`crate::control`] later.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

macro_rules! features {
    ($($feature:ident => $name:literal),* $(,)?) => {
        /// What a device, or the system, may lack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Feature { $(#[doc = $name] $feature),* }

        /// The features' names.
        pub const FEATURES: &[&str] = &[$($name),*];
    };
}

features! {
    Residency => "residency",
    Counters => "counters",
    IndirectCommandBuffers => "icb",
    NonUniformThreadgroups => "nonuniform",
    UnifiedMemory => "unified",
    Metal3 => "metal3",
    Apple7 => "apple7",
    Apple8 => "apple8",
    Apple9 => "apple9",
    Capture => "capture",
    Device => "device",
}

/// In which order dispatches without a barrier between them run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// As encoded.
    Program,
    /// Last first.
    Reverse,
    /// Shuffled, with a seed that is the same in every run.
    Shuffle,
}

struct Settings {
    absent: AtomicU64,
    order: AtomicU8,
    hazards: AtomicBool,
    execute: AtomicBool,
    working_set: AtomicU64,
    patience_ms: AtomicU64,
}

fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let absent = variable("METAL_DOUBLE_WITHOUT")
            .split(',')
            .filter_map(|name| bit(name.trim()))
            .fold(0, |all, bit| all | bit);
        let order = order_named(&variable("METAL_DOUBLE_ORDER")).unwrap_or(Order::Shuffle);
        Settings {
            absent: AtomicU64::new(absent),
            order: AtomicU8::new(order as u8),
            hazards: AtomicBool::new(variable("METAL_DOUBLE_HAZARDS") != "off"),
            execute: AtomicBool::new(variable("METAL_DOUBLE_EXECUTE") != "off"),
            patience_ms: AtomicU64::new(20_000),
            working_set: AtomicU64::new(
                variable("METAL_DOUBLE_WORKING_SET")
                    .parse()
                    .unwrap_or(16 << 30),
            ),
        }
    })
}

fn bit(name: &str) -> Option<u64> {
    FEATURES
        .iter()
        .position(|known| *known == name)
        .map(|index| 1 << index)
}

/// The order of this name: `program`, `reverse` or `shuffle`.
pub fn order_named(name: &str) -> Option<Order> {
    match name {
        "program" => Some(Order::Program),
        "reverse" => Some(Order::Reverse),
        "shuffle" => Some(Order::Shuffle),
        _ => None,
    }
}

/// Whether the device has it.
pub fn has(feature: Feature) -> bool {
    settings().absent.load(SeqCst) & (1 << feature as usize) == 0
}

/// Gives or takes the feature of this name (one of [`FEATURES`]); false if there is none of this name.
pub fn set_feature(name: &str, present: bool) -> bool {
    let Some(bit) = bit(name) else { return false };
    if present {
        settings().absent.fetch_and(!bit, SeqCst);
    } else {
        settings().absent.fetch_or(bit, SeqCst);
    }
    true
}

/// The order in which dispatches without a barrier between them run.
pub fn order() -> Order {
    match settings().order.load(SeqCst) {
        0 => Order::Program,
        1 => Order::Reverse,
        _ => Order::Shuffle,
    }
}

/// Chooses the order.
pub fn set_order(order: Order) {
    settings().order.store(order as u8, SeqCst);
}

/// Whether accesses of kernels are watched.
pub fn hazards() -> bool {
    settings().hazards.load(SeqCst)
}

/// Watches accesses of kernels, or not (faster).
pub fn set_hazards(on: bool) {
    settings().hazards.store(on, SeqCst);
}

/// Whether commands are run.
pub fn execute() -> bool {
    settings().execute.load(SeqCst)
}

/// Runs commands, or only pretends to: for measuring what encoding costs.
pub fn set_execute(on: bool) {
    settings().execute.store(on, SeqCst);
}

/// Bytes that a program should use at most (`recommendedMaxWorkingSetSize`).
pub fn working_set() -> u64 {
    settings().working_set.load(SeqCst)
}

/// Sets the bytes that a program should use at most; a buffer that does not fit twice that is refused.
pub fn set_working_set(bytes: u64) {
    settings().working_set.store(bytes, SeqCst);
}

/// How long a program may wait for a command buffer that cannot come before it is told that it has locked itself up.
pub fn patience() -> Duration {
    Duration::from_millis(settings().patience_ms.load(SeqCst))
}

/// Sets how long.
pub fn set_patience(patience: Duration) {
    let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    settings().patience_ms.store(milliseconds, SeqCst);
}
