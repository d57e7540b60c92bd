// SPDX-License-Identifier: GPL-2.0-or-later
// The wire format: the same in C and in C++, and byte for byte the examples of the chapter.
#include "virtio_tiermem.h"
#include "wire_c.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <criterion/criterion.h>
#include <endian.h>

namespace {

using Bytes = std::vector<std::uint8_t>;

std::string chapter() {
    std::ifstream file(SPEC_CHAPTER);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The `index`-th code block of the chapter that has no language: bytes in hexadecimal.
Bytes example(unsigned index) {
    std::istringstream lines(chapter());
    Bytes bytes;
    bool inside = false;
    bool wanted = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("```")) {
            wanted = !inside && line == "```" && index-- == 0;
            inside = !inside;
            continue;
        }
        std::istringstream words(line);
        for (std::string word; wanted && words >> word;)
            bytes.push_back(static_cast<std::uint8_t>(std::stoul(word, nullptr, 16)));
    }
    return bytes;
}

template<typename... Parts> Bytes bytes_of(const Parts&... parts) {
    Bytes bytes;
    auto add = [&](const auto& part) {
        const auto* first = reinterpret_cast<const std::uint8_t*>(&part);
        bytes.insert(bytes.end(), first, first + sizeof(part));
    };
    (add(parts), ...);
    return bytes;
}

void expect_equal(const Bytes& expected, const Bytes& got) {
    cr_assert_eq(expected.size(), got.size());
    cr_assert_arr_eq(expected.data(), got.data(), got.size());
}

} // namespace

Test(wire, c_and_cpp_agree_on_sizes) {
    constexpr std::array sizes{
        sizeof(virtio_tiermem_region),   sizeof(virtio_tiermem_tier),
        sizeof(virtio_tiermem_qos),      sizeof(virtio_tiermem_config),
        sizeof(virtio_tiermem_range),    sizeof(virtio_tiermem_request),
        sizeof(virtio_tiermem_response), sizeof(virtio_tiermem_stat),
    };
    cr_assert_eq(wire_c_count, sizes.size());
    cr_assert_arr_eq(wire_c_sizes, sizes.data(), sizeof(sizes));
}

Test(wire, request_is_the_example_of_the_chapter) {
    virtio_tiermem_request request{};
    request.type = htole16(VIRTIO_TIERMEM_REQ_SURRENDER);
    request.tier = htole16(1);
    request.num_ranges = htole32(2);
    const virtio_tiermem_range large{htole64(0x40000000), htole64(2 << 20)};
    const virtio_tiermem_range small{htole64(0x40400000), htole64(4096)};
    expect_equal(example(0), bytes_of(request, large, small));
}

Test(wire, response_is_the_example_of_the_chapter) {
    virtio_tiermem_response response{};
    response.status = htole16(VIRTIO_TIERMEM_S_OK);
    response.done_ranges = htole32(2);
    response.actual = htole64(0x10000000 - (2 << 20) - 4096);
    expect_equal(example(1), bytes_of(response));
}

Test(wire, requests_and_stats_have_no_padding) {
    cr_assert(std::has_unique_object_representations_v<virtio_tiermem_request>);
    cr_assert(std::has_unique_object_representations_v<virtio_tiermem_range>);
    cr_assert(std::has_unique_object_representations_v<virtio_tiermem_response>);
    cr_assert(std::has_unique_object_representations_v<virtio_tiermem_stat>);
    cr_assert(std::has_unique_object_representations_v<virtio_tiermem_config>);
}

Test(wire, statuses_are_numbered_in_the_order_of_the_checks) {
    constexpr std::array order{
        VIRTIO_TIERMEM_S_OK,           VIRTIO_TIERMEM_S_INVALID_REQUEST,
        VIRTIO_TIERMEM_S_INVALID_TIER, VIRTIO_TIERMEM_S_INVALID_RANGE,
        VIRTIO_TIERMEM_S_CONFLICT,     VIRTIO_TIERMEM_S_QUOTA,
        VIRTIO_TIERMEM_S_BUSY,         VIRTIO_TIERMEM_S_ERROR,
    };
    for (std::size_t i = 0; i < order.size(); i++)
        cr_assert_eq(order[i], static_cast<int>(i));
}
