// Copies and fills of any alignment: T is as wide as both ends allow. Buffers are bound at whole units of 16 bytes, as
// Metal demands; ends are counted from there, in elements.
#include <metal_stdlib>
using namespace metal;

struct Transfer {
    ulong count;
    uint value;
    uint threads;
    uint from;
    uint to;
};

template <typename T>
kernel void copy(device const T* source [[buffer(0)]],
                 device T* target [[buffer(1)]],
                 constant Transfer& transfer [[buffer(2)]],
                 uint first [[thread_position_in_grid]]) {
    for (ulong at = first; at < transfer.count; at += transfer.threads) {
        target[transfer.to + at] = source[transfer.from + at];
    }
}

template [[host_name("copy_16")]] kernel void copy<uint4>(device const uint4*, device uint4*, constant Transfer&, uint);
template [[host_name("copy_4")]] kernel void copy<uint>(device const uint*, device uint*, constant Transfer&, uint);
template [[host_name("copy_1")]] kernel void copy<uchar>(device const uchar*, device uchar*, constant Transfer&, uint);

template <typename T>
kernel void fill(device T* target [[buffer(0)]],
                 constant Transfer& transfer [[buffer(1)]],
                 uint first [[thread_position_in_grid]]) {
    for (ulong at = first; at < transfer.count; at += transfer.threads) {
        target[transfer.to + at] = T(transfer.value);
    }
}

template [[host_name("fill_16")]] kernel void fill<uint4>(device uint4*, constant Transfer&, uint);
template [[host_name("fill_4")]] kernel void fill<uint>(device uint*, constant Transfer&, uint);
template [[host_name("fill_1")]] kernel void fill<uchar>(device uchar*, constant Transfer&, uint);
