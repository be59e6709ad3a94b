#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "encode.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace hwang {
namespace {

// uint8 [pictures, bytes of the plane]
using SourcePlane = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void begin(Mp4Encoder* self, int descriptor, int width, int height, std::pair<int, int> fps, std::int64_t pictures,
           int crf, std::string preset, const PyColor& color, int timescale, std::vector<std::int64_t> begins) {
  const nb::gil_scoped_release released;
  const Mp4Settings settings{.width = width,
                             .height = height,
                             .fps = {fps.first, fps.second},
                             .pictures = pictures,
                             .crf = crf,
                             .preset = std::move(preset),
                             .color = color_of(color),
                             .timescale = timescale,
                             .begins = std::move(begins)};
  new (self) Mp4Encoder(descriptor, settings);
}

void write(Mp4Encoder& self, const std::array<SourcePlane, 3>& planes, const StopFlag& stop) {
  SourcePlanes first{};
  const std::size_t count = planes[0].shape(0);
  for (std::size_t i = 0; i < planes.size(); i++) {
    if (planes[i].shape(0) != count || planes[i].shape(1) != self.layout.plane(static_cast<int>(i)).bytes())
      throw nb::value_error("a plane is uint8 [pictures, bytes of the plane]");
    first[i] = planes[i].data();
  }
  without_python(stop, [&](Cancellation& cancelled) { self.write(first, count, cancelled); });
}

void finish(Mp4Encoder& self, const StopFlag& stop) {
  without_python(stop, [&](Cancellation& cancelled) { self.finish(cancelled); });
}

}  // namespace

void bind_encoder(nb::module_& m) {
  m.attr("can_encode") = can_encode();
  nb::class_<Mp4Encoder>(m, "Mp4Encoder")
      .def("__init__", &begin, "descriptor"_a, "width"_a, "height"_a, "fps"_a, "pictures"_a, "crf"_a, "preset"_a,
           "color"_a, "timescale"_a, "begins"_a)
      .def("write", &write, "planes"_a, "stop"_a)
      .def("finish", &finish, "stop"_a);
}

}  // namespace hwang
