// SPDX-License-Identifier: GPL-2.0-or-later
// top.cpp - tiermemctl top: the machines, live
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <glib-unix.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <ctime>

#define NCURSES_NOMACROS 1
#include <ncurses.h>

#include "commands.h"
#include "report.h"
#include "top/page.h"

namespace tiermemctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds STANDARD_INTERVAL{2000};
constexpr size_t STANDARD_WIDTH = 80;

struct TopOptions {
    Reach reach;
    std::vector<std::string> machines;
    std::optional<milliseconds> interval;
    bool once = false, json = false;
};

std::string clock_text() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    return fmt::format("{:%H:%M:%S}", local);
}

// Of the terminal on stdout; COLUMNS where there is none.
size_t output_width() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char* columns = std::getenv("COLUMNS");
    const unsigned long width = columns != nullptr ? std::strtoul(columns, nullptr, 10) : 0;
    return width >= 40 && width <= 1000 ? width : STANDARD_WIDTH;
}

// The terminal while `top` has it.
class Screen {
public:
    Screen() {
        std::setlocale(LC_CTYPE, "");
        initscr();
        cbreak();
        noecho();
        keypad(stdscr, TRUE);
        nodelay(stdscr, TRUE);
        curs_set(0);
    }
    ~Screen() { endwin(); }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    static void resize() {
        winsize size{};
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
            resizeterm(size.ws_row, size.ws_col);
    }

    // Lines of machines that fit.
    [[nodiscard]] static size_t room() {
        return static_cast<size_t>(std::max(getmaxy(stdscr) - 4, 0));
    }
    [[nodiscard]] static size_t width() {
        return static_cast<size_t>(std::max(getmaxx(stdscr), 1));
    }

    static void show(const Page& page, size_t first) {
        werase(stdscr);
        put(0, page.summary, A_BOLD);
        put(2, page.head + std::string(width() - std::min(width(), page.head.size()), ' '),
            A_REVERSE);
        for (size_t i = 0; i < room() && first + i < page.lines.size(); i++)
            put(static_cast<int>(i) + 3, page.lines[first + i], A_NORMAL);
        put(getmaxy(stdscr) - 1, page.foot, A_DIM);
        wrefresh(stdscr);
    }

private:
    static void put(int line, const std::string& text, attr_t attributes) {
        wattrset(stdscr, static_cast<int>(attributes));
        mvwaddnstr(stdscr, line, 0, text.c_str(), getmaxx(stdscr));
        wattrset(stdscr, A_NORMAL);
    }
};

class Top {
public:
    explicit Top(const TopOptions& options)
        : options_(options), interval_(options.interval.value_or(STANDARD_INTERVAL)),
          finder_(options.reach.places()) {}

    ExitStatus run();

private:
    void look();
    void ask();
    void looked();
    void show();
    void keys();
    void scroll(int lines);
    [[nodiscard]] bool live() const { return !options_.once && !options_.json; }

    TopOptions options_;
    milliseconds interval_;
    Finder finder_;
    std::vector<MachinePtr> machines_;
    size_t first_ = 0; // of the machines shown
    Rows history_;
    std::vector<Row> rows_;
    Order order_ = Order::name;
    Timer next_;
    std::optional<Screen> screen_;
    unsigned looks_ = 0;
    bool over_ = false;
    std::string problem_;
};

ExitStatus Top::run() {
    if (live() && isatty(STDOUT_FILENO) == 0)
        throw BadInput(
            "top needs a terminal; --once prints the table once, --json a line for each look");
    on_end_signals(over_);
    if (live()) {
        screen_.emplace();
        auto typed = [](gint, GIOCondition, gpointer self) -> gboolean {
            static_cast<Top*>(self)->keys();
            return G_SOURCE_CONTINUE;
        };
        auto resized = [](gpointer self) -> gboolean {
            Screen::resize();
            static_cast<Top*>(self)->show();
            return G_SOURCE_CONTINUE;
        };
        g_unix_fd_add(STDIN_FILENO, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP), typed, this);
        g_unix_signal_add(SIGWINCH, resized, this);
    }
    look();
    run_until([this] { return over_; });
    screen_.reset();
    if (!problem_.empty())
        complain(problem_);
    return problem_.empty() ? EXIT_DONE : EXIT_PARTLY;
}

void Top::look() {
    finder_.scan(options_.reach.limit(), [this] { ask(); });
}

void Top::ask() {
    try {
        machines_ = finder_.chosen(options_.machines);
    } catch (const BadInput& none) {
        machines_.clear();
        problem_ = looks_ == 0 ? none.what() : problem_;
    }
    if (machines_.empty() && looks_ == 0) {
        problem_ = problem_.empty() ? "no machine was found: name QMP sockets with --socket, or "
                                      "libvirt's hosts with --connect"
                                    : problem_;
        over_ = true;
        return;
    }
    query_each(machines_, options_.reach.limit(),
               [this](const std::vector<Outcome<Device>>& devices) {
                   rows_ = history_.update(machines_, devices,
                                           static_cast<uint64_t>(g_get_monotonic_time()) / 1000);
                   looked();
               });
}

void Top::looked() {
    looks_++;
    // Rates take two looks.
    over_ = over_ || (options_.once && looks_ == 2);
    show();
    if (!over_)
        next_.once(interval_, [this] { look(); });
}

void Top::show() {
    sort_rows(rows_, order_);
    if (options_.json && (over_ || !options_.once))
        return print_json_line(
            {{"time-ms", g_get_real_time() / 1000}, {"machines", rows_as_json(rows_)}});
    if (screen_)
        return Screen::show(make_page(rows_, clock_text(), Screen::width()), first_);
    if (!over_ || options_.json)
        return;
    const Page page = make_page(rows_, clock_text(), output_width());
    fmt::print("{}\n{}\n", page.summary, page.head);
    for (const std::string& line : page.lines)
        fmt::print("{}\n", line);
    for (const Row& row : rows_)
        if (!row.error.empty())
            problem_ = row.error;
}

void Top::keys() {
    int key = wgetch(stdscr);
    if (key == ERR) // the terminal is gone
        over_ = isatty(STDIN_FILENO) == 0;
    for (; key != ERR; key = wgetch(stdscr)) {
        over_ = over_ || key == 'q' || key == 'Q';
        order_ = key == 'n'   ? Order::name
                 : key == 'f' ? Order::quota
                 : key == 's' ? Order::share
                 : key == 'p' ? Order::promoted
                              : order_;
        const int page = static_cast<int>(Screen::room());
        scroll(key == KEY_DOWN    ? 1
               : key == KEY_UP    ? -1
               : key == KEY_NPAGE ? page
               : key == KEY_PPAGE ? -page
                                  : 0);
    }
    show();
}

void Top::scroll(int lines) {
    const size_t last = rows_.size() > Screen::room() ? rows_.size() - Screen::room() : 0;
    const auto wanted = static_cast<int64_t>(first_) + lines;
    first_ = static_cast<size_t>(std::clamp<int64_t>(wanted, 0, static_cast<int64_t>(last)));
}

} // namespace

void add_top(CLI::App& app, Run& run) {
    auto options = std::make_shared<TopOptions>();
    CLI::App* command = app.add_subcommand("top", "show the machines live, one line each");
    command->add_option("MACHINE", options->machines,
                        "names or patterns of machines (default: all)");
    add_duration(*command, "--interval", options->interval, "time between looks (default: 2s)");
    command->add_flag("--once", options->once, "print the table once, after two looks, and end");
    add_json(*command, options->json, "a line of JSON for each look instead of the table");
    options->reach.add_to(*command);
    command->footer("QUOTA, HAS and USES are what the guest may use of fast memory, has not "
                    "surrendered, and what the host has "
                    "populated of it. FAST% is the part of sampled accesses that fast memory "
                    "served, PROM/s and DEM/s the bytes "
                    "per second moved to fast memory and away from it, as the guest claims. "
                    "PRESSURE says what is not as it "
                    "should be. Wide terminals show more.\n\n"
                    "Keys: q ends; n, f, s, p sort by name, quota, fast share (lowest first) and "
                    "promotions; up, down, page up "
                    "and page down scroll.\n\n"
                    "Examples:\n"
                    "  tiermemctl top --socket '/run/vm/*.qmp'\n"
                    "  tiermemctl top --once --json --interval 10s\n");
    command->callback([options, &run] { run = [options] { return Top(*options).run(); }; });
}

} // namespace tiermemctl
