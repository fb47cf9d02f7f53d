// Whether a later row goes to the same slot of a ring: of those the last stays.
fn same_slot(position: u32, later: u32, capacity: u32) -> bool {
    // Most positions ascend by less than the capacity, which needs no division.
    let near = later > position && later - position < capacity;
    return !near && later % capacity == position % capacity;
}
