use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When commands ran: from when the first worker began one until the last had ended.
pub(super) struct Times {
    /// What the others count from, in nanoseconds.
    origin: Instant,
    commands: Vec<Span>,
}

struct Span {
    start: AtomicU64,
    end: AtomicU64,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            origin: Instant::now(),
            commands: Vec::new(),
        }
    }
}

impl Times {
    /// Forgets all times, before so many commands run.
    pub(super) fn restart(&mut self, commands: usize) {
        self.origin = Instant::now();
        self.commands.clear();
        self.commands.resize_with(commands, || Span {
            start: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(0),
        });
    }

    /// Adds when a worker ran a command's workgroups. The end of the wave publishes what is written here.
    pub(super) fn include(&self, command: usize, ran: [Instant; 2]) {
        let [start, end] = ran.map(|at| at.saturating_duration_since(self.origin).as_nanos());
        let span = &self.commands[command];
        span.start.fetch_min(start as u64, Ordering::Relaxed);
        span.end.fetch_max(end as u64, Ordering::Relaxed);
    }

    /// A command without workgroups takes no time, where the one before it ended.
    pub(super) fn add_to(&self, times: &mut Vec<[Instant; 2]>) {
        let mut last = 0;
        times.extend(self.commands.iter().map(|span| {
            let (start, end) = (
                span.start.load(Ordering::Relaxed),
                span.end.load(Ordering::Relaxed),
            );
            let (start, end) = match start {
                u64::MAX => (last, last),
                _ => (start, end),
            };
            last = last.max(end);
            [start, end].map(|at| self.origin + Duration::from_nanos(at))
        }));
    }
}
