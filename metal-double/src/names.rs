//! Text constants of Metal that objc2-metal links to.

#![allow(non_upper_case_globals, reason = "the names are Metal's")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};

use objc2::rc::Retained;
use objc2_foundation::NSString;

macro_rules! names {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(
            #[unsafe(no_mangle)]
            static $name: AtomicPtr<NSString> = AtomicPtr::new(null_mut());
        )*

        /// Gives the constants their text; before any program can read them.
        pub(crate) fn fill() {
            $($name.store(Retained::into_raw(NSString::from_str($text)), SeqCst);)*
        }
    };
}

names! {
    MTLBinaryArchiveDomain = "MTLBinaryArchiveDomain",
    MTLCaptureErrorDomain = "MTLCaptureErrorDomain",
    MTLCommandBufferEncoderInfoErrorKey = "MTLCommandBufferEncoderInfoErrorKey",
    MTLCommandBufferErrorDomain = "MTLCommandBufferErrorDomain",
    MTLCommonCounterComputeKernelInvocations = "ComputeKernelInvocations",
    MTLCommonCounterSetStageUtilization = "stageutilization",
    MTLCommonCounterSetStatistic = "statistic",
    MTLCommonCounterSetTimestamp = "timestamp",
    MTLCommonCounterTimestamp = "GPUTimestamp",
    MTLCommonCounterTotalCycles = "TotalCycles",
    MTLCounterErrorDomain = "MTLCounterErrorDomain",
    MTLDeviceRemovalRequestedNotification = "MTLDeviceRemovalRequestedNotification",
    MTLDeviceWasAddedNotification = "MTLDeviceWasAddedNotification",
    MTLDeviceWasRemovedNotification = "MTLDeviceWasRemovedNotification",
    MTLLibraryErrorDomain = "MTLLibraryErrorDomain",
}
