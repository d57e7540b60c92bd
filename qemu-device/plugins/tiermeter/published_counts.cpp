// SPDX-License-Identifier: GPL-2.0-or-later
#include "published_counts.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace tiermeter {

struct PublishedCounts::Layout {
    char magic[8];
    std::uint32_t version;
    std::uint32_t vcpus;
    std::uint64_t refreshes;
    Instructions vcpu[];
};

namespace {

constexpr char magic[] = "TIERMETR";
constexpr std::uint32_t version = 2;

[[noreturn]] void fail(const std::string& path) {
    throw std::system_error(errno, std::generic_category(), "counts=" + path);
}

void* map_new_file(const std::string& path, std::size_t size) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0 || ftruncate(file, static_cast<off_t>(size)) != 0)
        fail(path);
    void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        fail(path);
    close(file);
    return mapped;
}

void put(std::uint64_t& place, std::uint64_t value) {
    std::atomic_ref(place).store(value, std::memory_order_relaxed);
}

} // namespace

PublishedCounts::PublishedCounts(const std::string& path, unsigned vcpus)
    : size_(sizeof(Layout) + vcpus * sizeof(Instructions)), vcpus_(vcpus),
      layout_(static_cast<Layout*>(map_new_file(path, size_))) {
    layout_->version = version;
    layout_->vcpus = vcpus;
    std::memcpy(layout_->magic, magic, sizeof(layout_->magic));
}

PublishedCounts::~PublishedCounts() {
    munmap(layout_, size_);
}

void PublishedCounts::refresh(const InstructionCount& count) {
    for (unsigned i = 0; i < vcpus_; i++) {
        const Instructions now = count.of_vcpu(i);
        put(layout_->vcpu[i].user, now.user);
        put(layout_->vcpu[i].kernel, now.kernel);
        put(layout_->vcpu[i].ranged, now.ranged);
    }
    std::atomic_ref(layout_->refreshes).fetch_add(1, std::memory_order_release);
}

} // namespace tiermeter
