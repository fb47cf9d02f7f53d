// Packing floats into words and back.
#pragma once
#include "integer.h"

namespace msl {
// NaN counts as zero, as on the device.
inline uint unorm(float x, float top) { return uint(__builtin_rintf(metal::clamp(x != x ? 0.0f : x, 0.0f, 1.0f) * top)); }
inline int snorm(float x, float top) { return int(__builtin_rintf(metal::clamp(x != x ? 0.0f : x, -1.0f, 1.0f) * top)); }
} // namespace msl

namespace metal {
inline uint pack_float_to_unorm4x8(float4 v) {
    uint word = 0;
    for (int i = 0; i < 4; i++) word |= msl::unorm(v.data[i], 255.0f) << (8 * i);
    return word;
}
inline uint pack_float_to_snorm4x8(float4 v) {
    uint word = 0;
    for (int i = 0; i < 4; i++) word |= (uint(msl::snorm(v.data[i], 127.0f)) & 0xff) << (8 * i);
    return word;
}
inline uint pack_float_to_unorm2x16(float2 v) {
    return msl::unorm(v.x, 65535.0f) | msl::unorm(v.y, 65535.0f) << 16;
}
inline uint pack_float_to_snorm2x16(float2 v) {
    return (uint(msl::snorm(v.x, 32767.0f)) & 0xffff) | uint(msl::snorm(v.y, 32767.0f)) << 16;
}
inline uint pack_half_to_unorm4x8(half4 v) { return pack_float_to_unorm4x8(float4(v)); }
inline uint pack_half_to_snorm4x8(half4 v) { return pack_float_to_snorm4x8(float4(v)); }
inline uint pack_half_to_unorm2x16(half2 v) { return pack_float_to_unorm2x16(float2(v)); }
inline uint pack_half_to_snorm2x16(half2 v) { return pack_float_to_snorm2x16(float2(v)); }

inline float4 unpack_unorm4x8_to_float(uint word) {
    float4 v;
    for (int i = 0; i < 4; i++) v.data[i] = float(word >> (8 * i) & 0xff) / 255.0f;
    return v;
}
inline float4 unpack_snorm4x8_to_float(uint word) {
    float4 v;
    for (int i = 0; i < 4; i++) v.data[i] = __builtin_fmaxf(float((signed char)(word >> (8 * i))) / 127.0f, -1.0f);
    return v;
}
inline float2 unpack_unorm2x16_to_float(uint word) { return float2(word & 0xffff, word >> 16) / 65535.0f; }
inline float2 unpack_snorm2x16_to_float(uint word) {
    return float2(__builtin_fmaxf(float(short(word)) / 32767.0f, -1.0f),
                  __builtin_fmaxf(float(short(word >> 16)) / 32767.0f, -1.0f));
}
inline half4 unpack_unorm4x8_to_half(uint word) { return half4(unpack_unorm4x8_to_float(word)); }
inline half4 unpack_snorm4x8_to_half(uint word) { return half4(unpack_snorm4x8_to_float(word)); }
inline half2 unpack_unorm2x16_to_half(uint word) { return half2(unpack_unorm2x16_to_float(word)); }
inline half2 unpack_snorm2x16_to_half(uint word) { return half2(unpack_snorm2x16_to_float(word)); }
} // namespace metal
