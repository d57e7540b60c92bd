// SPDX-License-Identifier: GPL-2.0-or-later
// The access pattern of PageRank, pulling: each vertex in turn adds up the ranks of those that its
// edges lead to, over and over (the ranks themselves are not brought to convergence). Both
// degrees follow a power law. Vertices of similar popularity lie together in pages that are
// scattered, as a crawl leaves them: a quarter of the memory is edges, the rest vertices.
#include <algorithm>

#include "heat.hpp"
#include "skew.hpp"
#include "workloads.hpp"

namespace tierload {
namespace {

struct Vertex {
    std::uint64_t rank;
    std::uint64_t next_rank;
    std::uint32_t first_edge;
    std::uint32_t degree;
    std::uint64_t properties[5]; // fill a line
};
static_assert(sizeof(Vertex) == line_size);

using Edge = std::uint32_t; // the vertex that it leads to

constexpr std::uint64_t in_page = page_size / sizeof(Vertex);
constexpr std::uint64_t edges_in_line = line_size / sizeof(Edge);

class Graph : public Workload {
public:
    Graph(Slice memory, const Settings& settings)
        : Workload(memory), edge_bytes_(memory.size / 4 / huge_page_size * huge_page_size),
          vertices_((memory.size - edge_bytes_) / sizeof(Vertex)),
          edges_(edge_bytes_ / sizeof(Edge)), random_(settings.seed),
          popularity_(vertices_, settings.skew), degrees_(vertices_, out_exponent),
          page_(vertices_ / in_page, settings.seed), degree_rank_(vertices_, settings.seed + 2) {}

    void build() override {
        const double spare = static_cast<double>(edges_) - static_cast<double>(vertices_);
        std::uint64_t first = 0;
        for (std::uint64_t v = 0; v < vertices_; v++) {
            const double more = std::max(spare, 0.0) * degrees_.weight(degree_rank_(v));
            const auto wanted = 1 + static_cast<std::uint64_t>(more);
            const std::uint64_t degree = std::min(wanted, edges_ - first);
            vertex()[v] = {
                1, 0, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(degree), {}};
            first += degree;
        }
        for (std::uint64_t e = 0; e < first; e++)
            edge()[e] = static_cast<Edge>(popular(popularity_.draw(random_)));
    }

    void run(std::uint64_t operations) override {
        for (std::uint64_t done = 0; done < operations;) {
            Vertex& v = vertex()[current_];
            const std::uint64_t end =
                std::min(done_edges_ + (operations - done), static_cast<std::uint64_t>(v.degree));
            for (std::uint64_t e = done_edges_; e < end; e++)
                sum_ += vertex()[edge()[v.first_edge + e]].rank;
            done += end - done_edges_;
            done_edges_ = end;
            if (end == v.degree)
                finish(v);
        }
        checksum_ += sum_;
    }

    // For each edge a line of a vertex and a sixteenth of a line of edges; each vertex once.
    void heat(std::span<float> pages, std::size_t, bool) const override {
        const double edges = static_cast<double>(edges_), vertices = static_cast<double>(vertices_);
        const double lines = edges + edges / edges_in_line + vertices;
        for (std::uint64_t rank = 0; rank < vertices_; rank++)
            pages[(edge_bytes_ / page_size) + popular(rank) / in_page] +=
                static_cast<float>((popularity_.weight(rank) * edges + 1) / lines);
        spread(pages, 0, edge_bytes_, edges / edges_in_line / lines);
    }

private:
    static constexpr double out_exponent = 0.8;

    [[nodiscard]] Edge* edge() const { return memory_.as<Edge>(); }
    [[nodiscard]] Vertex* vertex() const {
        return reinterpret_cast<Vertex*>(memory_.base + edge_bytes_);
    }

    // The vertex of a rank of popularity.
    [[nodiscard]] std::uint64_t popular(std::uint64_t rank) const {
        return page_(rank / in_page) * in_page + rank % in_page;
    }

    void finish(Vertex& v) {
        v.next_rank = sum_ / (v.degree + std::uint64_t{1}) + 1;
        sum_ = 0;
        done_edges_ = 0;
        current_ = current_ + 1 < vertices_ ? current_ + 1 : 0;
    }

    std::size_t edge_bytes_;
    std::uint64_t vertices_;
    std::uint64_t edges_; // room for them
    Random random_;
    Skew popularity_;
    Skew degrees_;
    Scatter page_;        // page of ranks -> page of vertices
    Scatter degree_rank_; // vertex -> rank of its own degree
    std::uint64_t current_ = 0;
    std::uint64_t done_edges_ = 0;
    std::uint64_t sum_ = 0;
};

} // namespace

std::unique_ptr<Workload> make_graph(Slice memory, const Settings& settings) {
    return std::make_unique<Graph>(memory, settings);
}

} // namespace tierload
