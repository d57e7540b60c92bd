// SPDX-License-Identifier: GPL-2.0-or-later
// picture.cpp - see picture.hpp
#include "picture.hpp"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace tiersim {

namespace {
constexpr uint32_t kCellWidth = 6;
constexpr uint32_t kCellHeight = 3;
constexpr uint32_t kGap = 12; // between the panels
constexpr double kDecades = 4; // of heat that are told apart

using Color = std::array<uint8_t, 3>;

// A few stops of a scale that is readable without colour vision.
constexpr std::array<Color, 6> kHeatStops = {{{10, 8, 30}, {60, 15, 110}, {140, 40, 130}, {220, 80, 90}, {250, 160, 60}, {252, 250, 180}}};
constexpr std::array<Color, 2> kTierStops = {{{225, 228, 235}, {0, 95, 130}}};

template <size_t N> Color blend(const std::array<Color, N>& stops, double at) {
    const double x = std::clamp(at, 0.0, 1.0) * (N - 1);
    const auto low = std::min<size_t>(static_cast<size_t>(x), N - 2);
    const double part = x - static_cast<double>(low);
    Color c{};
    for (size_t i = 0; i < 3; i++)
        c[i] = static_cast<uint8_t>(stops[low][i] * (1 - part) + stops[low + 1][i] * part);
    return c;
}

struct Raster {
    uint32_t width;
    uint32_t height;
    std::vector<uint8_t> rgb;

    Raster(uint32_t w, uint32_t h) : width(w), height(h), rgb(size_t{w} * h * 3, 255) {}
    void cell(uint32_t x, uint32_t y, const Color& color) {
        for (uint32_t dy = 0; dy < kCellHeight; dy++)
            for (uint32_t dx = 0; dx < kCellWidth; dx++)
                std::copy(color.begin(), color.end(), &rgb[(size_t{y + dy} * width + x + dx) * 3]);
    }
};

uint32_t panel_height(const HeatMap& map) { return map.columns * kCellHeight; }

Raster draw(const HeatMap& map) {
    Raster raster(static_cast<uint32_t>(map.heat.size()) * kCellWidth, 2 * panel_height(map) + kGap);
    float hottest = 0;
    for (const auto& row : map.heat)
        hottest = std::max(hottest, *std::max_element(row.begin(), row.end()));
    for (uint32_t t = 0; t < map.heat.size(); t++)
        for (uint32_t a = 0; a < map.columns; a++) {
            const uint32_t y = (map.columns - 1 - a) * kCellHeight;
            const double heat = map.heat[t][a] <= 0 ? 0 : 1 + std::log10(map.heat[t][a] / hottest) / kDecades;
            raster.cell(t * kCellWidth, y, blend(kHeatStops, heat));
            raster.cell(t * kCellWidth, y + panel_height(map) + kGap, blend(kTierStops, map.fast[t][a]));
        }
    return raster;
}

std::vector<uint8_t> encode_png(const Raster& raster) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = raster.width;
    image.height = raster.height;
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = 0;
    if (png_image_write_to_memory(&image, nullptr, &size, 0, raster.rgb.data(), 0, nullptr) == 0)
        throw std::runtime_error(fmt::format("cannot encode the picture: {}", image.message));
    std::vector<uint8_t> bytes(size);
    if (png_image_write_to_memory(&image, bytes.data(), &size, 0, raster.rgb.data(), 0, nullptr) == 0)
        throw std::runtime_error(fmt::format("cannot encode the picture: {}", image.message));
    bytes.resize(size);
    return bytes;
}

std::string base64(const std::vector<uint8_t>& bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const size_t n = std::min<size_t>(3, bytes.size() - i);
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? bytes[i + k] : 0U);
        for (size_t k = 0; k < 4; k++)
            text += k <= n ? digits[v >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

std::string legend(uint32_t x, uint32_t y, const char* low, const char* high, const Color& a, const Color& b) {
    return fmt::format("<rect x='{}' y='{}' width='12' height='12' fill='rgb({},{},{})'/><text x='{}' y='{}'>{}</text>"
                       "<rect x='{}' y='{}' width='12' height='12' fill='rgb({},{},{})'/><text x='{}' y='{}'>{}</text>\n",
                       x, y, a[0], a[1], a[2], x + 16, y + 10, low, x, y + 18, b[0], b[1], b[2], x + 16, y + 28, high);
}

std::string make_svg(const HeatMap& map, const std::string& title) {
    constexpr uint32_t left = 34;
    constexpr uint32_t top = 28;
    const Raster raster = draw(map);
    const uint32_t second = top + panel_height(map) + kGap;
    const uint32_t bottom = top + raster.height;
    std::string svg = fmt::format("<svg xmlns='http://www.w3.org/2000/svg' width='{}' height='{}' font-family='sans-serif' "
                                  "font-size='11'>\n<rect width='100%' height='100%' fill='white'/>\n"
                                  "<text x='{}' y='17' font-size='13'>{}</text>\n",
                                  left + raster.width + 130, bottom + 36, left, title);
    svg += fmt::format("<image x='{}' y='{}' width='{}' height='{}' href='data:image/png;base64,{}'/>\n", left, top,
                       raster.width, raster.height, base64(encode_png(raster)));
    for (const auto& [y, what] : {std::pair{top, "address"}, std::pair{second, "address"}})
        svg += fmt::format("<text transform='translate(20 {}) rotate(-90)' text-anchor='middle'>{} &#8594;</text>\n",
                           y + panel_height(map) / 2, what);
    for (size_t e = 0; e <= map.heat.size(); e += 20)
        svg += fmt::format("<text x='{}' y='{}' text-anchor='middle'>{} s</text>\n", left + e * kCellWidth, bottom + 15,
                           e / 2);
    svg += legend(left + raster.width + 12, top, "cold", "hot", kHeatStops.front(), kHeatStops.back());
    svg += legend(left + raster.width + 12, second, "on slow", "on fast", kTierStops.front(), kTierStops.back());
    return svg + "</svg>\n";
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}
} // namespace

void write_picture(const std::string& file, const HeatMap& map, const std::string& title) {
    const bool svg = ends_with(file, ".svg");
    if (!svg && !ends_with(file, ".png"))
        throw std::runtime_error(fmt::format("a picture is named *.svg or *.png, not '{}'", file));
    std::ofstream out(file, std::ios::binary);
    if (svg) {
        out << make_svg(map, title);
    } else {
        const std::vector<uint8_t> bytes = encode_png(draw(map));
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    if (!out.flush())
        throw std::runtime_error(fmt::format("cannot write '{}'", file));
}

} // namespace tiersim
