// SPDX-License-Identifier: GPL-2.0-or-later
// replay.cpp - a recorded stream of samples as a workload. Text, a sample a line:
//
//   TIME_NS SPACE ADDRESS WEIGHT [TIER]
//
// separated by blanks or commas; numbers decimal or 0x...; # begins a comment.
// The tier is ignored: who serves a page is decided in the simulation. A page
// comes into being with its first sample.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <map>
#include <stdexcept>

#include "replay.hpp"

namespace tiersim {

namespace {
struct Line {
    uint64_t time;
    uint64_t space;
    uint64_t address;
    uint64_t weight;
};

// The next number of `text`; moves on behind it.
bool take_number(const char*& text, uint64_t& value) {
    while (*text == ' ' || *text == ',' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9')
        return false;
    char* end = nullptr;
    errno = 0;
    value = std::strtoull(text, &end, 0);
    text = end;
    return errno == 0;
}

bool parse(const std::string& text, Line& line) {
    const char* at = text.c_str();
    return take_number(at, line.time) && take_number(at, line.space) && take_number(at, line.address) &&
           take_number(at, line.weight) && line.weight >= 1 && line.weight <= 0xffffffff && line.address < (1ULL << 57);
}

std::vector<Line> read_lines(const std::string& file) {
    std::ifstream in(file);
    if (!in)
        throw std::invalid_argument(fmt::format("cannot read '{}'", file));
    std::vector<Line> lines;
    std::string text;
    for (uint64_t number = 1; std::getline(in, text); number++) {
        text.erase(std::min(text.find('#'), text.size()));
        if (text.find_first_not_of(" ,\t\r") == std::string::npos)
            continue;
        Line line{};
        if (!parse(text, line))
            throw std::invalid_argument(fmt::format(
                "{}:{}: not a sample; wanted is TIME_NS SPACE ADDRESS WEIGHT with weight 1..4294967295 and address below 2^57",
                file, number));
        if (!lines.empty() && line.time < lines.back().time)
            throw std::invalid_argument(fmt::format("{}:{}: time goes backwards", file, number));
        lines.push_back(line);
    }
    if (lines.empty())
        throw std::invalid_argument(fmt::format("'{}' has no samples", file));
    return lines;
}

class Replay : public Workload {
  public:
    Replay(const std::vector<Line>& lines, double fast_share) {
        std::map<std::pair<uint64_t, uint64_t>, uint32_t> pages;
        for (const Line& l : lines)
            pages[{l.space, l.address / kPageBytes}] = 0;
        lay_out(pages);
        world_.set_quota(std::max<uint64_t>(1, static_cast<uint64_t>(fast_share * world_.pages())));
        const auto ticks = static_cast<size_t>(static_cast<double>(lines.back().time - lines.front().time) / 50e6) + 1;
        samples_.resize(ticks);
        for (const Line& l : lines)
            samples_[static_cast<size_t>(static_cast<double>(l.time - lines.front().time) / 50e6)].push_back(
                {pages.at({l.space, l.address / kPageBytes}), static_cast<uint32_t>(l.weight)});
    }
    std::vector<Component> at(uint32_t tick, double /*accesses*/) override {
        std::vector<double> weights(world_.pages());
        for (const Recorded& r : samples_[tick]) {
            world_.touch(r.page);
            weights[r.page] += r.weight;
        }
        if (samples_[tick].empty())
            return {};
        now_ = std::make_unique<Distribution>(std::move(weights));
        return {{1.0, 0, world_.pages(), now_.get(), 0, 0}};
    }
    [[nodiscard]] const std::vector<Recorded>* recorded(uint32_t tick) const override { return &samples_[tick]; }
    [[nodiscard]] uint32_t length() const { return static_cast<uint32_t>(samples_.size()); }

  private:
    // Neighbouring pages make an area.
    void lay_out(std::map<std::pair<uint64_t, uint64_t>, uint32_t>& pages) {
        uint32_t number = 0;
        auto begin = pages.begin();
        for (auto it = pages.begin(); it != pages.end(); ++it) {
            it->second = number++;
            const auto next = std::next(it);
            const bool goes_on = next != pages.end() && next->first.first == it->first.first &&
                                 next->first.second == it->first.second + 1;
            if (goes_on)
                continue;
            world_.add_area(begin->first.first, begin->first.second * kPageBytes, number - begin->second);
            begin = next;
        }
    }

    std::vector<std::vector<Recorded>> samples_;
    std::unique_ptr<Distribution> now_;
};
} // namespace

std::unique_ptr<Workload> make_replay(const std::string& file, double fast_share, uint32_t& ticks) {
    auto replay = std::make_unique<Replay>(read_lines(file), fast_share);
    ticks = replay->length();
    return replay;
}

} // namespace tiersim
