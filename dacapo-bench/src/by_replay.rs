use std::collections::HashMap;
use std::time::{Duration, Instant};

use dacapo::{Device, Executable, Graph, PlanOptions};

use crate::by_dacapo::ByDacapo;
use crate::work::{Contender, Order, Result};

/// Launches an executable that was captured, planned and recorded before the clock starts.
pub struct ByReplay {
    live: ByDacapo,
    recorded: HashMap<(Order, u32), Executable>,
}

impl ByReplay {
    pub fn new(device: &Device) -> Result<ByReplay> {
        Ok(ByReplay {
            live: ByDacapo::new(device)?,
            recorded: HashMap::new(),
        })
    }

    fn record(&self, order: Order, dispatches: u32) -> Result<Executable> {
        let graph = Graph::capture(self.live.device(), |encoder| {
            self.live.encode(encoder, order, dispatches)
        })?;
        Ok(graph.plan(&PlanOptions::default())?.instantiate()?)
    }
}

impl Contender for ByReplay {
    fn name(&self) -> &'static str {
        "dacapo, replay"
    }

    fn round(&mut self, order: Order, dispatches: u32) -> Result<Duration> {
        let key = (order, dispatches);
        if !self.recorded.contains_key(&key) {
            let executable = self.record(order, dispatches)?;
            // One size is measured after the other: the last one's commands are not needed again.
            self.recorded.clear();
            self.recorded.insert(key, executable);
        }
        let executable = self.recorded.get(&key).ok_or("nothing was recorded")?;
        self.live.clear()?;
        let started = Instant::now();
        let launched = executable.launch("work")?;
        let time = started.elapsed();
        launched.wait()?;
        self.live.check(self.name(), order, dispatches)?;
        Ok(time)
    }
}
