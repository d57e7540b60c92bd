// SPDX-License-Identifier: GPL-2.0-or-later
// What reclaim would see of pages that have been exchanged while nobody used them: `exchange-aged PAIRS base|huge`.
//
// Makes all pages look unused (clear_refs of proc(5)), exchanges them and prints one line of name=value: hot_before,
// cold_before (pages that look used then), hot_young, cold_young (pages with the accessed bit after it),
// hot_referenced, cold_referenced (folios with the kernel's flag after it), wrong (words), and the outcomes.
#include <cctype>
#include <cstring>
#include <linux/kernel-page-flags.h>

#include "kit.hpp"

namespace {

// Pages of the mapping with the accessed bit, by smaps of proc(5).
unsigned long young(const std::byte* memory) {
    char wanted[32], line[512];
    snprintf(wanted, sizeof(wanted), "%llx-", static_cast<unsigned long long>(kit::address(memory)));
    FILE* file = fopen("/proc/self/smaps", "r");
    bool ours = false;
    unsigned long kib = 0;
    if (!file)
        kit::fail("smaps");
    while (fgets(line, sizeof(line), file)) {
        if (!isupper(line[0])) // what begins a mapping; the names of its values begin with a capital
            ours = strncmp(line, wanted, strlen(wanted)) == 0;
        else if (ours && strncmp(line, "Referenced:", 11) == 0)
            kib = strtoul(line + 11, nullptr, 10);
    }
    fclose(file);
    return kib * 1024 / kit::page;
}

std::uint64_t read_word(const char* name, std::uint64_t index) {
    const int file = open(name, O_RDONLY);
    std::uint64_t word = 0;
    if (file < 0 || pread(file, &word, sizeof(word), static_cast<off_t>(index * 8)) != sizeof(word))
        kit::fail(name);
    close(file);
    return word;
}

// Folios with the kernel's flag, by pagemap and kpageflags of Documentation/admin-guide/mm/pagemap.rst.
unsigned referenced(const std::byte* memory, std::size_t bytes, std::size_t step) {
    constexpr std::uint64_t frame = (1ULL << 55) - 1;
    unsigned found = 0;
    for (std::size_t at = 0; at < bytes; at += step) {
        const std::uint64_t entry = read_word("/proc/self/pagemap", kit::address(memory + at) / kit::page);
        found += read_word("/proc/kpageflags", entry & frame) >> KPF_REFERENCED & 1;
    }
    return found;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: exchange-aged PAIRS base|huge\n");
        return 2;
    }
    const kit::Size size = strcmp(argv[2], "huge") == 0 ? kit::Size::huge : kit::Size::base;
    const std::size_t step = size == kit::Size::huge ? kit::huge_page : kit::page;
    const std::size_t bytes = strtoul(argv[1], nullptr, 10) * step;
    // Apart from its neighbours, so that each is a mapping of its own in smaps.
    std::byte* hot = kit::map_on(kit::slow, bytes, size);
    std::byte* cold = kit::map_on(kit::fast, bytes, size);
    for (std::byte* memory : {hot, cold})
        if (mprotect(memory, bytes, PROT_READ) != 0)
            kit::fail("mprotect");
    std::vector<kit::Pair> pairs = kit::pairs(hot, cold, bytes, size);
    kit::write_text("/proc/self/clear_refs", "1");
    printf("hot_before=%lu cold_before=%lu", young(hot) + referenced(hot, bytes, step),
           young(cold) + referenced(cold, bytes, step));
    const kit::Call call = kit::exchange(pairs);
    printf(" hot_young=%lu cold_young=%lu hot_referenced=%u cold_referenced=%u", young(hot), young(cold),
           referenced(hot, bytes, step), referenced(cold, bytes, step));
    printf(" wrong=%llu", static_cast<unsigned long long>(kit::wrong_words(hot, bytes) + kit::wrong_words(cold, bytes)));
    kit::print_outcomes(call);
    printf("\n");
    return 0;
}
