/// Waits until all workgroups have come to this `step`, counted from 1; whether they have. What they wrote to coherent
/// memory before can be read then. Who polls in vain says so where the host looks.
fn meet(step: u32, groups: u32, thread: u32) -> bool {
    storageBarrier();
    if thread == 0u {
        let wanted = step * groups;
        // After a failure the counter means nothing, until the host has seen to it.
        let most_polls = select(all.most_polls, 0u, atomicLoad(&control[FAILED]) != 0u);
        var arrived = atomicAdd(&control[0], 1u) + 1u;
        for (var polls = 0u; polls < most_polls && arrived < wanted; polls++) {
            arrived = atomicLoad(&control[0]);
        }
        let met = arrived >= wanted && most_polls > 0u;
        all_there = u32(met);
        if !met {
            atomicStore(&control[FAILED], 1u);
        }
    }
    workgroupBarrier();
    return workgroupUniformLoad(&all_there) != 0u;
}
