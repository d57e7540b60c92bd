// SPDX-License-Identifier: GPL-2.0-or-later
// Hands the driver's relocate.c plans of a policy gone mad: hostile-plan PLANS
//
// Steps are made of spaces that are there or not, of addresses of all kinds (pages that may move, pages that may not,
// huge ones, none, the kernel's), odd offsets, sizes and flags. Prints what became of them:
//
//   steps=N nonsense=N wrong=WORDS astray=PAGES unaccounted=N exchanged=.. (and the other outcomes) huge=.. migrated=..
//
// wrong: words of memory that are not what was written; astray: pages on another node that may not move;
// unaccounted: steps of which the policy is not told exactly once, or is told what cannot be; counts that do not add up.
#include <algorithm>
#include <bit>
#include <csignal>
#include <fstream>
#include <iterator>
#include <random>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kit.hpp"

namespace {

using Step = exchange_test_step;
constexpr std::size_t base_pages = 300, huge_pages = 2, plan_steps = 300;
constexpr std::uint64_t none = ~0ULL;
constexpr std::uint64_t window_pages = kit::huge_page / kit::page;

// The kernel's TASK_SIZE_MAX: page tables have five levels where the CPU and the kernel know them, else four.
std::uint64_t find_top() {
    std::ifstream file("/proc/cpuinfo");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return (1ULL << (text.find(" la57") == std::string::npos ? 47 : 56)) - kit::page;
}

const std::uint64_t top = find_top();

struct Area {
    std::byte* memory;
    std::size_t bytes;
    int node = -1; // where it has to stay
};

// The same in both processes, at the same addresses: made before the fork, filled after.
class Areas {
  public:
    Areas() {
        for (int node : {kit::fast, kit::slow}) {
            free_.push_back({kit::map(base_pages * kit::page), base_pages * kit::page});
            free_.push_back({kit::map(huge_pages * kit::huge_page, kit::Size::huge), huge_pages * kit::huge_page});
            held_.push_back({kit::map(8 * kit::page), 8 * kit::page, node}); // mlock
            held_.push_back({kit::map(8 * kit::page), 8 * kit::page, node}); // bound
        }
    }

    void fill() {
        for (std::size_t i = 0; i < free_.size(); ++i)
            fill_on(i < free_.size() / 2 ? kit::fast : kit::slow, free_[i]);
        for (std::size_t i = 0; i < held_.size(); ++i) {
            fill_on(held_[i].node, held_[i]);
            hold(held_[i], i % 2);
        }
    }

    [[nodiscard]] std::uint64_t wrong() const {
        std::uint64_t sum = 0;
        for (const auto* areas : {&free_, &held_})
            for (const Area& area : *areas)
                sum += kit::wrong_words(area.memory, area.bytes);
        return sum;
    }

    [[nodiscard]] std::uint64_t astray() const {
        std::uint64_t sum = 0;
        for (const Area& area : held_)
            sum += area.bytes / kit::page - kit::pages_on(area.node, area.memory, area.bytes);
        return sum;
    }

    [[nodiscard]] const std::vector<Area>& movable() const { return free_; }
    [[nodiscard]] const std::vector<Area>& held() const { return held_; }

  private:
    static void fill_on(int node, const Area& area) {
        kit::set_policy(kit::mpol_bind, node);
        kit::fill(area.memory, area.bytes);
        kit::set_policy(kit::mpol_default, 0);
    }

    static void hold(const Area& area, bool bind) {
        const unsigned long nodes = 1UL << area.node;
        if (bind ? syscall(SYS_mbind, area.memory, area.bytes, kit::mpol_bind, &nodes, 64, 0) : mlock(area.memory, area.bytes))
            kit::fail(bind ? "mbind" : "mlock");
    }

    std::vector<Area> free_, held_;
};

// ---- Steps ----

class Madness {
  public:
    explicit Madness(const Areas& areas) : areas_(areas) {}

    Step step() {
        Step made{};
        made.huge = pick({0, 0, 0, 1, 1, 2});
        made.promote_space = space();
        made.demote_space = space();
        made.promote_addr = address(made.huge);
        made.demote_addr = random_() % 8 ? address(made.huge) : made.promote_addr; // the same page on both sides
        made.pages = pick({1, 1, 2, 7, 64, 511, 512, 512, 512, 0, 513, 65535, 1U << 31, ~0U});
        made.gain = static_cast<std::uint32_t>(random_());
        made.reserved = static_cast<std::uint32_t>(random_());
        return made;
    }

  private:
    std::uint32_t pick(std::initializer_list<std::uint32_t> choice) {
        return choice.begin()[random_() % choice.size()];
    }

    std::uint64_t space() {
        constexpr std::array<std::uint64_t, 12> choice{1, 1, 1, 1, 2, 2, none, none, 0, 3, 1ULL << 32 | 1, none - 1};
        return choice[random_() % choice.size()];
    }

    std::uint64_t inside(const std::vector<Area>& areas) {
        const Area& area = areas[random_() % areas.size()];
        return kit::address(area.memory) + random_() % area.bytes;
    }

    std::uint64_t strange() {
        static const char stack = 0;
        const std::array<std::uint64_t, 12> choice{0, 0x1000, top, top + kit::page, 1ULL << 57, 0xffff888000000000ULL,
            0xffffffff81000000ULL, ~0ULL, ~0ULL - kit::page, kit::address(&choice), kit::address(&stack),
            0xffffffffff600000ULL}; // the last is vsyscall's page
        return choice[random_() % choice.size()];
    }

    std::uint64_t address(bool huge) {
        const std::uint64_t kind = random_() % 8;
        const std::uint64_t found = kind < 5 ? inside(areas_.movable()) : kind < 7 ? inside(areas_.held()) : strange();
        switch (random_() % 8) {
        case 0:
            return found; // aligned to nothing
        case 1:
            return found & -kit::page;
        default:
            return found & -(huge ? kit::huge_page : kit::page);
        }
    }

    const Areas& areas_;
    std::mt19937_64 random_{20261124};
};

// ---- What the policy may be told ----

bool side_makes_sense(std::uint64_t space, std::uint64_t address, const Step& step) {
    const std::uint64_t length = step.pages * kit::page, size = step.huge ? kit::huge_page : kit::page;
    return space == none || (address % size == 0 && address <= top && length - kit::page < top - address);
}

// Known spaces on all sides that there are, and sizes and addresses that can be.
bool makes_sense(const Step& step) {
    const auto known = [](std::uint64_t space) { return space == none || space == 1 || space == 2; };
    return step.pages > 0 && step.pages <= window_pages && (!step.huge || step.pages == window_pages) &&
           known(step.promote_space) && known(step.demote_space) &&
           (step.promote_space != none || step.demote_space != none) &&
           side_makes_sense(step.promote_space, step.promote_addr, step) &&
           side_makes_sense(step.demote_space, step.demote_addr, step);
}

unsigned bits(const __u64 (&map)[8]) {
    unsigned sum = 0;
    for (const __u64 word : map)
        sum += static_cast<unsigned>(std::popcount(word));
    return sum;
}

// Only bits of pages that the step has.
bool within(const __u64 (&map)[8], std::uint32_t pages) {
    for (std::uint32_t i = pages; i < window_pages; ++i)
        if (map[i / 64] >> (i % 64) & 1)
            return false;
    return true;
}

bool accounted(const Step& step) {
    if (step.told != 1)
        return false;
    if (!makes_sense(step))
        return bits(step.done) + bits(step.refused_promote) + bits(step.refused_demote) + bits(step.demoted) == 0;
    for (unsigned i = 0; i < 8; ++i)
        if (step.done[i] & (step.refused_promote[i] | step.refused_demote[i]) || step.demoted[i] & step.refused_demote[i])
            return false;
    return within(step.done, step.pages) && within(step.refused_promote, step.pages) &&
           within(step.refused_demote, step.pages) && within(step.demoted, step.pages);
}

bool has_both_sides(const Step& step) { return step.promote_space != none && step.demote_space != none; }

// Pairs that the exchanger must have seen: two sides, or base pages with fresh ones, of which there are enough.
std::uint64_t pairs_of(const Step& step) {
    if (!makes_sense(step) || (step.huge && !has_both_sides(step)))
        return 0;
    return step.huge ? 1 : step.pages;
}

// Does what was moved add up? Of what was exchanged, pages of steps with both sides were promoted and others demoted.
bool adds_up(const std::vector<Step>& steps, const exchange_test_plan& plan) {
    std::uint64_t done_by_both = 0, done_by_one = 0;
    for (const Step& step : steps)
        (has_both_sides(step) ? done_by_both : done_by_one) += bits(step.done);
    const std::uint64_t exchanged = plan.outcomes[0] + plan.huge * (window_pages - 1);
    const std::uint64_t both = plan.promoted + plan.demoted - plan.migrated - exchanged; // ~0 and less if too little moved
    return both <= done_by_both && both <= exchanged && exchanged - both <= done_by_one;
}

struct Sums {
    std::uint64_t steps, nonsense, wrong, astray, unaccounted, migrated;
    kit::Call outcomes;
};

void run(std::vector<Step>& steps, pid_t other, Sums& sums) {
    exchange_test_plan plan{};
    plan.steps = kit::address(steps.data());
    plan.nr = static_cast<__u32>(steps.size());
    plan.other = other;
    if (ioctl(kit::device(), EXCHANGE_TEST_PLAN, &plan) != 0)
        kit::fail("EXCHANGE_TEST_PLAN");
    std::uint64_t expected = 0, found = 0;
    for (const Step& step : steps) {
        sums.nonsense += !makes_sense(step);
        sums.unaccounted += !accounted(step);
        expected += pairs_of(step);
    }
    for (unsigned i = 0; i < EXCHANGE_TEST_OUTCOMES; ++i) {
        found += plan.outcomes[i];
        sums.outcomes.outcomes[i] += plan.outcomes[i];
    }
    sums.unaccounted += found != expected || plan.looked_at != steps.size() || !adds_up(steps, plan);
    sums.steps += steps.size();
    sums.outcomes.huge += plan.huge;
    sums.migrated += plan.migrated;
}

// The other process: has the same areas, and verifies them when a byte comes.
struct Other {
    pid_t pid;
    int ask, hear;
};

Other start_other(Areas& areas) {
    int asked[2], answers[2];
    if (pipe(asked) || pipe(answers))
        kit::fail("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        kit::fail("fork");
    if (pid > 0)
        return {pid, asked[1], answers[0]};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    areas.fill();
    std::uint64_t answer[2]{};
    char byte;
    do {
        if (write(answers[1], answer, sizeof answer) != sizeof answer || read(asked[0], &byte, 1) != 1)
            break;
        answer[0] = areas.wrong();
        answer[1] = areas.astray();
    } while (true);
    _exit(0);
}

void hear(const Other& other, Sums& sums) {
    std::uint64_t answer[2];
    if (read(other.hear, answer, sizeof answer) != sizeof answer)
        kit::fail("the other process");
    sums.wrong += answer[0];
    sums.astray += answer[1];
}

void verify(const Areas& areas, const Other& other, Sums& sums) {
    sums.wrong += areas.wrong();
    sums.astray += areas.astray();
    if (write(other.ask, "?", 1) != 1)
        kit::fail("the other process");
    hear(other, sums);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: hostile-plan PLANS\n");
        return 2;
    }
    Areas areas;
    const Other other = start_other(areas);
    areas.fill();
    Sums sums{};
    hear(other, sums);
    Madness madness(areas);
    for (unsigned long plan = strtoul(argv[1], nullptr, 10); plan > 0; --plan) {
        std::vector<Step> steps(plan_steps);
        std::generate(steps.begin(), steps.end(), [&] { return madness.step(); });
        run(steps, other.pid, sums);
        if (plan % 10 == 1)
            verify(areas, other, sums);
    }
    kill(other.pid, SIGKILL);
    waitpid(other.pid, nullptr, 0);
    printf("steps=%lu nonsense=%lu wrong=%lu astray=%lu unaccounted=%lu migrated=%lu huge=%llu", sums.steps, sums.nonsense,
           sums.wrong, sums.astray, sums.unaccounted, sums.migrated, sums.outcomes.huge);
    kit::print_outcomes(sums.outcomes);
    printf("\n");
    return 0;
}
