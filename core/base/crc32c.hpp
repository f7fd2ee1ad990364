// CRC32C (Castagnoli, reflected polynomial 0x82F63B78), as iSCSI, ext4 and RFC 3720 define it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy {

/// The checksum of `bytes` bytes; `previous` continues an earlier call, so that crc32c(b, n, crc32c(a, m)) covers a
/// then b. Uses the SSE4.2 instruction where the processor has it.
uint32_t crc32c(const void* data, size_t bytes, uint32_t previous = 0);

namespace detail {
/// What crc32c() runs on processors without the instruction; named here so that tests reach it everywhere.
uint32_t crc32c_by_tables(const void* data, size_t bytes, uint32_t previous = 0);
}  // namespace detail

}  // namespace convoy
