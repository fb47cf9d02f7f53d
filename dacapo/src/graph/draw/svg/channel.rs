/// Tracks side by side, in which stretches that overlap lie apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    /// The stretches of each track.
    tracks: Vec<Vec<(i64, i64)>>,
}

impl Channel {
    /// The first track in which the stretch from `a` to `b` is free, which it takes.
    pub(super) fn take(&mut self, a: i64, b: i64) -> usize {
        let (start, end) = (a.min(b), a.max(b));
        let free = |track: &Vec<(i64, i64)>| track.iter().all(|it| end < it.0 || it.1 < start);
        let found = self.tracks.iter().position(free);
        let index = found.unwrap_or(self.tracks.len());
        if found.is_none() {
            self.tracks.push(Vec::new());
        }
        self.tracks[index].push((start, end));
        index
    }

    pub(super) fn len(&self) -> usize {
        self.tracks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_meet_lie_apart() {
        let mut channel = Channel::default();
        assert_eq!(channel.take(0, 10), 0);
        assert_eq!(channel.take(20, 10), 1);
        assert_eq!(channel.take(11, 20), 0);
        assert_eq!(channel.take(5, 15), 2);
        assert_eq!(channel.len(), 3);
    }
}
