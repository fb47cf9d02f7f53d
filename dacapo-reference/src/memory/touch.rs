//! One access to a word of memory, packed, and which accesses come before it.

use core::fmt;

// From the top: group, lane, tick, site, bytes, load, atomic. So later waves compare greater, and whoever has the same group
// and lane agrees in all bits from `LANE` on.
const GROUP: u32 = 38;
const LANE: u32 = 28;
const TICK: u32 = 16;
const SITE: u32 = 6;
const BYTES: u32 = 2;
const LOAD: u64 = 2;
const ATOMIC: u64 = 1;

const MAX_LANE: u32 = (1 << (GROUP - LANE)) - 1;
const MAX_TICK: u32 = (1 << (LANE - TICK)) - 1;
const MAX_SITE: u32 = (1 << (TICK - SITE)) - 1;
const ALL_BYTES: u32 = (1 << (SITE - BYTES)) - 1;

/// Who touched a word, when, and how. A touch of no bytes is nobody's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Touch(u64);

impl Touch {
    /// The greatest number of a group.
    pub(crate) const MAX_GROUP: u32 = (1 << (64 - GROUP)) - 1;

    /// A plain access of invocation 0 of this workgroup to all bytes of a word, after it has passed `tick` barriers, at
    /// this place in the kernel. Beyond 4095 barriers races between the invocations of a workgroup may go unseen; places
    /// from 1023 on are not told apart.
    #[inline]
    pub(crate) fn new(group: u32, tick: u32, site: u32) -> Touch {
        debug_assert!(group <= Touch::MAX_GROUP, "the touches were not forgotten");
        Touch(
            u64::from(group) << GROUP
                | u64::from(tick.min(MAX_TICK)) << TICK
                | u64::from(site.min(MAX_SITE)) << SITE
                | u64::from(ALL_BYTES) << BYTES,
        )
    }

    /// The same of another invocation, by its index in the workgroup.
    #[inline]
    pub(crate) fn by(self, lane: u32) -> Touch {
        debug_assert!(lane <= MAX_LANE, "a workgroup has no more invocations");
        Touch(self.0 & !(u64::from(MAX_LANE) << LANE) | u64::from(lane) << LANE)
    }

    /// The same of some of the bytes, one bit for each.
    #[inline]
    pub(crate) fn of(self, bytes: u32) -> Touch {
        debug_assert!((1..=ALL_BYTES).contains(&bytes), "one bit for each byte");
        Touch(self.0 & !(u64::from(ALL_BYTES) << BYTES) | u64::from(bytes) << BYTES)
    }

    /// The same as an atomic operation.
    #[inline]
    pub(super) fn atomic(self) -> Touch {
        Touch(self.0 | ATOMIC)
    }

    /// The same as an atomic operation that changes nothing.
    #[inline]
    pub(super) fn atomic_load(self) -> Touch {
        Touch(self.0 | ATOMIC | LOAD)
    }

    /// Whether it was an atomic operation that may have changed something.
    #[inline]
    pub(super) fn is_change(self) -> bool {
        self.0 & (ATOMIC | LOAD) == ATOMIC
    }

    /// The number of the workgroup.
    #[inline]
    pub(crate) fn group(self) -> u32 {
        (self.0 >> GROUP) as u32
    }

    /// Barriers that the workgroup had passed, at most 4095.
    #[inline]
    pub(crate) fn tick(self) -> u32 {
        (self.0 >> TICK) as u32 & MAX_TICK
    }

    /// The invocation's index in the workgroup.
    #[inline]
    pub(crate) fn lane(self) -> u32 {
        (self.0 >> LANE) as u32 & MAX_LANE
    }

    /// Where in the kernel, unless that is not known.
    #[inline]
    pub(crate) fn site(self) -> Option<u32> {
        let site = (self.0 >> SITE) as u32 & MAX_SITE;
        (site != MAX_SITE).then_some(site)
    }

    /// Which bytes of the word, one bit for each.
    #[inline]
    pub(crate) fn bytes(self) -> u32 {
        (self.0 >> BYTES) as u32 & ALL_BYTES
    }

    /// Whether it was an atomic operation.
    #[inline]
    pub(crate) fn is_atomic(self) -> bool {
        self.0 & ATOMIC != 0
    }

    #[inline]
    pub(super) fn from_bits(bits: u64) -> Touch {
        Touch(bits)
    }

    #[inline]
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// Whether both are of the same invocation.
    #[inline]
    pub(super) fn is_of(self, other: Touch) -> bool {
        (self.0 ^ other.0) >> LANE == 0
    }

    /// This one, with the bytes of an earlier one that differs from it in nothing else that matters.
    #[inline]
    pub(super) fn joining(self, earlier: Touch) -> Touch {
        const BITS: u64 = (ALL_BYTES as u64) << BYTES;
        let differ = self.0 ^ earlier.0;
        let same = differ >> TICK == 0 && differ & (ATOMIC | LOAD) == 0;
        if same {
            Touch(self.0 | earlier.0 & BITS)
        } else {
            self
        }
    }
}

impl fmt::Debug for Touch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Touch")
            .field("group", &self.group())
            .field("lane", &self.lane())
            .field("tick", &self.tick())
            .field("site", &self.site())
            .field("bytes", &self.bytes())
            .field("atomic", &self.is_atomic())
            .finish()
    }
}

/// What comes before the touches of a workgroup at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now<'a> {
    /// The first group of this wave: what earlier ones touched is ordered by the barrier between the waves.
    pub first_group: u32,
    /// The workgroup's tick after its last barrier that orders this memory; 0 without. Not clamped to 4095.
    pub barrier: u32,
    /// The same of each subgroup's last barrier of its own; those that are missing have had none.
    pub subgroup_barriers: &'a [u32],
    /// Invocations of a subgroup, as a power of two.
    pub subgroup_shift: u32,
    /// Whether other threads may touch the same memory meanwhile.
    pub shared: bool,
}

impl Now<'_> {
    /// Whether this is somebody's touch in this wave.
    #[inline]
    pub(super) fn has(&self, touch: Touch) -> bool {
        touch.0 > u64::from(self.first_group) << GROUP
    }

    /// Whether the two are of the same subgroup, given that they are of the same workgroup.
    #[inline]
    pub(super) fn share_subgroup(&self, a: Touch, b: Touch) -> bool {
        (a.lane() ^ b.lane()) >> self.subgroup_shift == 0
    }

    /// Whether an earlier touch conflicts with this one, which is of now.
    #[inline]
    pub(super) fn meets(&self, earlier: Touch, touch: Touch) -> bool {
        let both = earlier.0 & touch.0;
        self.has(earlier)
            && both & (u64::from(ALL_BYTES) << BYTES) != 0
            && both & ATOMIC == 0
            && !earlier.is_of(touch)
            && (earlier.group() != touch.group() || !self.orders(earlier, touch))
    }

    /// Whether a barrier of the workgroup lies between two of its touches, the second of which is of now.
    fn orders(&self, earlier: Touch, touch: Touch) -> bool {
        earlier.tick() < self.barrier
            || self.share_subgroup(earlier, touch)
                && self
                    .subgroup_barriers
                    .get((touch.lane() >> self.subgroup_shift) as usize)
                    .is_some_and(|barrier| earlier.tick() < *barrier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touch_gives_back_what_was_packed() {
        let touch = Touch::new(Touch::MAX_GROUP, 4094, 1022).by(1023).of(0b0110);
        assert_eq!((touch.group(), touch.tick()), (Touch::MAX_GROUP, 4094));
        assert_eq!((touch.lane(), touch.site()), (1023, Some(1022)));
        assert_eq!((touch.bytes(), touch.is_atomic()), (0b0110, false));
        let touch = touch.by(5).atomic();
        assert_eq!(
            (touch.lane(), touch.bytes(), touch.is_atomic()),
            (5, 6, true)
        );
        let touch = Touch::new(0, 5000, 1023);
        assert_eq!((touch.group(), touch.lane(), touch.bytes()), (0, 0, 15));
        assert_eq!((touch.tick(), touch.site()), (4095, None));
    }
}
