// SPDX-License-Identifier: GPL-2.0-or-later
#include "placement.hpp"

#include <algorithm>
#include <cerrno>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace tierload {
namespace {

constexpr std::size_t moves_at_once = 4096; // pages in one system call

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// While it lives, this process's new pages come from one node.
class BoundTo {
public:
    explicit BoundTo(int node) {
        const unsigned long mask = 1UL << node;
        if (syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof mask) != 0)
            fail("set_mempolicy");
    }
    ~BoundTo() { syscall(SYS_set_mempolicy, MPOL_DEFAULT, nullptr, 0); }
    BoundTo(const BoundTo&) = delete;
    BoundTo& operator=(const BoundTo&) = delete;
};

void touch_page(char* page) {
    *const_cast<volatile char*>(page) = 1;
}

} // namespace

Placement::Placement(const Area& area, const Settings& settings, std::size_t fast_pages)
    : area_(area), place_(settings.place), fast_node_(settings.fast_node),
      slow_node_(settings.slow_node), fast_pages_(fast_pages),
      planned_(area.pages(), settings.place == Place::fast), placed_(planned_) {}

void Placement::plan(const Heat& heat) {
    if (place_ == Place::ideal)
        planned_ =
            hottest(heat, fast_pages_, area_.huge() ? huge_page_size / page_size : 1, placed_);
}

void Placement::touch(std::size_t first, std::size_t end) {
    if (place_ == Place::none) {
        for (std::size_t page = first; page < end; page++)
            touch_page(area_.base() + page * page_size);
        return;
    }
    touch_on(first, end, true);
    touch_on(first, end, false);
}

void Placement::touch_on(std::size_t first, std::size_t end, bool fast) {
    const BoundTo bound(fast ? fast_node_ : slow_node_);
    for (std::size_t page = first; page < end; page++)
        if (planned_[page] == fast) {
            touch_page(area_.base() + page * page_size);
            placed_[page] = fast;
        }
}

void Placement::move(std::size_t end) {
    if (place_ != Place::ideal)
        return;
    for (const bool fast : {false, true}) {
        std::vector<std::size_t> pages;
        for (std::size_t page = 0; page < end; page++)
            if (planned_[page] == fast && placed_[page] != fast) {
                pages.push_back(page);
                placed_[page] = fast;
            }
        move_to(pages, fast ? fast_node_ : slow_node_);
    }
}

void Placement::move_to(const std::vector<std::size_t>& pages, int node) const {
    std::vector<void*> addresses;
    std::vector<int> nodes(moves_at_once, node), status(moves_at_once);
    for (std::size_t done = 0; done < pages.size(); done += addresses.size()) {
        addresses.clear();
        for (std::size_t i = done; i < std::min(pages.size(), done + moves_at_once); i++)
            addresses.push_back(area_.base() + pages[i] * page_size);
        if (syscall(SYS_move_pages, 0, addresses.size(), addresses.data(), nodes.data(),
                    status.data(), MPOL_MF_MOVE) < 0)
            fail("move_pages");
    }
}

} // namespace tierload
