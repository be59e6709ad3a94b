#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "decode.h"
#include "decoder_log.h"
#include "page_pool.h"
#include "picture_facts.h"
#include "released.h"
#include "served_bytes.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace hwang {
namespace {

template <typename T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename T>
std::span<const T> view(const Array<T>& array) {
  return {array.data(), array.shape(0)};
}

template <typename T>
nb::object to_numpy(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}

// Bytes owned by Python objects, which it keeps alive.
class PythonBytes final : public ByteSource {
 public:
  PythonBytes(std::vector<nb::bytes> kept, std::vector<MemoryBytes::Piece> pieces, std::uint64_t size)
      : ByteSource(size), kept_(std::move(kept)), memory_(std::move(pieces), size) {}
  ~PythonBytes() override {
    const nb::gil_scoped_acquire acquired;
    kept_.clear();
  }
  std::size_t read(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    return memory_.read(offset, into);
  }

 private:
  std::vector<nb::bytes> kept_;
  const MemoryBytes memory_;
};

struct PyBytes {
  std::shared_ptr<const ByteSource> source;
};

PyBytes file_bytes(int descriptor, std::uint64_t size) { return {std::make_shared<FileBytes>(descriptor, size)}; }

PyBytes memory_bytes(const std::vector<std::pair<std::uint64_t, nb::bytes>>& pieces, std::uint64_t size) {
  std::vector<nb::bytes> kept;
  std::vector<MemoryBytes::Piece> views;
  for (const auto& [offset, data] : pieces) {
    kept.push_back(data);
    views.push_back({offset, {reinterpret_cast<const std::uint8_t*>(data.c_str()), data.size()}});
  }
  return {std::make_shared<PythonBytes>(std::move(kept), std::move(views), size)};
}

// Served by a thread of Python: `wanted` waits for what is read, `give` brings it, `close` ends both.
struct PyServedBytes : PyBytes {
  std::shared_ptr<ServedBytes> served;

  PyServedBytes(std::uint64_t size, std::size_t block_bytes, std::size_t kept_blocks, const StopFlag& stop)
      : served(std::make_shared<ServedBytes>(size, std::max<std::size_t>(1, block_bytes), kept_blocks,
                                             [&stop] { check_now(stop); })) {
    source = served;
  }

  std::optional<std::uint64_t> wanted() const {
    const Released released;
    return served->wanted();
  }

  void give(std::uint64_t offset, const nb::bytes& bytes) const {
    served->give(offset, {reinterpret_cast<const std::uint8_t*>(bytes.c_str()), bytes.size()});
  }
};

std::vector<std::uint8_t> vector_of(const nb::bytes& bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.c_str());
  return {data, data + bytes.size()};
}

using PyCropping = std::tuple<int, int, int, int>;
using PySize = std::pair<int, int>;
using PyTransport = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint64_t>;
using PyBytesFrom = std::vector<std::pair<std::uint32_t, nb::bytes>>;

std::vector<BytesFrom> bytes_from(const PyBytesFrom& changes) {
  std::vector<BytesFrom> found;
  for (const auto& [sample, bytes] : changes) found.push_back({sample, vector_of(bytes)});
  return found;
}

nb::list to_python(const std::vector<BytesFrom>& changes) {
  nb::list found;
  for (const auto& [sample, bytes] : changes)
    found.append(nb::make_tuple(sample, nb::bytes(bytes.data(), bytes.size())));
  return found;
}

Stream stream_of(std::string codec, std::uint32_t codec_tag, const nb::bytes& extradata, int width, int height,
                 const PyCropping& cropping, const PySize& coded, int bits_per_coded_sample, int reorder,
                 int field_order, const PyColor& color) {
  const auto& [left, top, right, bottom] = cropping;
  return {std::move(codec), codec_tag,    vector_of(extradata),  width,   height,      {left, top, right, bottom},
          coded.first,      coded.second, bits_per_coded_sample, reorder, field_order, color_of(color)};
}

// The arrays of a sample table, and the video that refers to them.
struct PyVideo {
  Array<std::uint64_t> offset;
  Array<std::uint32_t> size;
  Array<std::int64_t> pts;
  Array<std::uint8_t> sync;
  Video video;

  PyVideo(std::string codec, std::uint32_t codec_tag, nb::bytes extradata, int width, int height,
          const PyCropping& cropping, const PySize& coded_size, int bits_per_coded_sample, int reorder, int field_order,
          const PyColor& color, Array<std::uint64_t> offset, Array<std::uint32_t> size, Array<std::int64_t> pts,
          Array<std::uint8_t> sync, const PyBytesFrom& configurations, const PyBytesFrom& parameter_sets,
          bool byte_addressable, const PyTransport& transport, int threads)
      : offset(offset), size(size), pts(pts), sync(sync),
        video(stream_of(std::move(codec), codec_tag, extradata, width, height, cropping, coded_size,
                        bits_per_coded_sample, reorder, field_order, color),
              {view(offset), view(size), view(pts), view(sync), bytes_from(configurations), bytes_from(parameter_sets),
               byte_addressable, std::make_from_tuple<Transport>(transport)},
              std::max(1, threads)) {
    const std::size_t n = offset.shape(0);
    if (size.shape(0) != n || pts.shape(0) != n || sync.shape(0) != n)
      throw nb::value_error("the arrays of a table have one length");
    if (n >= UINT32_MAX) throw nb::value_error("a table has fewer than 2**32 - 1 samples");
  }
};

// (samples, wanted, slots): uint32, uint32 and int64 arrays.
struct PyRun {
  Array<std::uint32_t> samples, wanted;
  Array<std::int64_t> slot;
  Run run;

  PyRun(Array<std::uint32_t> samples, Array<std::uint32_t> wanted, Array<std::int64_t> slot)
      : samples(samples), wanted(wanted), slot(slot), run{view(samples), view(wanted), view(slot)} {
    if (samples.shape(0) == 0) throw nb::value_error("a run feeds at least one sample");
    if (wanted.shape(0) != slot.shape(0)) throw nb::value_error("every wanted sample has one slot");
  }

  void check_against(const Table& table, std::size_t slots) const {
    for (const auto sample : run.samples)
      if (sample >= table.size.size()) throw nb::value_error("a run names a sample that is not in the table");
    for (const auto place : run.slot)
      if (place < 0 || static_cast<std::size_t>(place) >= slots)
        throw nb::value_error("a slot lies outside the output");
  }
};

std::vector<Run> runs_of(const std::vector<const PyRun*>& runs, const Table& table, std::size_t slots) {
  std::vector<Run> views;
  for (const PyRun* run : runs) {
    run->check_against(table, slots);
    views.push_back(run->run);
  }
  return views;
}

// Output of a request: one layout or several, and for each of them in turn one array for each plane, uint8
// [pictures, bytes of the plane].
using Plane = nb::ndarray<std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Layouts = std::variant<Layout, std::vector<Layout>>;

struct Target {
  std::vector<Pictures> pictures;
  std::size_t capacity;

  Target(const Layouts& layouts, const std::vector<Plane>& planes) : capacity(planes.empty() ? 0 : planes[0].shape(0)) {
    const auto* one = std::get_if<Layout>(&layouts);
    auto plane = planes.begin();
    for (const Layout& layout : one ? std::vector{*one} : std::get<std::vector<Layout>>(layouts)) {
      Pictures& made = pictures.emplace_back(Pictures{layout});
      for (int i = 0; i < layout.planes(); i++, ++plane) {
        if (plane == planes.end()) throw nb::value_error("one array for each plane");
        if (plane->shape(0) != capacity || plane->shape(1) != layout.plane(i).bytes())
          throw nb::value_error("a plane is uint8 [pictures, bytes of the plane]");
        made.first[static_cast<std::size_t>(i)] = plane->data();
      }
    }
    if (pictures.empty() || plane != planes.end()) throw nb::value_error("one array for each plane");
  }
};

nb::tuple report(const Outcome& outcome) {
  return nb::make_tuple(to_numpy(outcome.failed), outcome.samples_decoded, outcome.samples_skipped,
                        outcome.frames_converted, to_numpy(outcome.resized),
                        nb::make_tuple(outcome.resized_width, outcome.resized_height));
}

nb::tuple decode(PyVideo& self, const PyBytes& bytes, const std::vector<const PyRun*>& runs, const Layouts& layout,
                 const std::vector<Plane>& planes, bool skip_unreferenced, Care care, const StopFlag& stop) {
  const Target target(layout, planes);
  const auto views = runs_of(runs, self.video.table, target.capacity);
  return report(without_python(stop, [&](Cancellation& cancelled) {
    return self.video.decode(views, {bytes.source, skip_unreferenced}, care, target.pictures, cancelled);
  }));
}

nb::object presentation_order(PyVideo& self, const PyBytes& bytes, const StopFlag& stop) {
  return to_numpy(without_python(
      stop, [&](Cancellation& cancelled) { return self.video.presentation_order({bytes.source, false}, cancelled); }));
}

Samples checked(const PyVideo& video, const Array<std::uint32_t>& samples) {
  for (const auto sample : view(samples))
    if (sample >= video.video.table.size.size()) throw nb::value_error("a sample that is not in the table");
  return view(samples);
}

// Calls a function of the video that looks at samples.
template <auto function>
auto look(const PyVideo& self, const PyBytes& bytes, const Array<std::uint32_t>& samples, const StopFlag& stop) {
  const Samples numbers = checked(self, samples);
  return without_python(
      stop, [&](Cancellation& cancelled) { return (self.video.*function)(numbers, {bytes.source, false}, cancelled); });
}

nb::object second_fields(const PyVideo& self, const PyBytes& bytes, const Array<std::uint32_t>& samples,
                         const StopFlag& stop) {
  return to_numpy(look<&Video::second_fields>(self, bytes, samples, stop));
}

nb::object lack_sets(const PyVideo& self, const PyBytes& bytes, const Array<std::uint32_t>& samples,
                     const StopFlag& stop) {
  return to_numpy(look<&Video::lack_sets>(self, bytes, samples, stop));
}

nb::list parameter_sets(const PyVideo& self, const PyBytes& bytes, const StopFlag& stop) {
  return to_python(without_python(
      stop, [&](Cancellation& cancelled) { return self.video.parameter_sets({bytes.source, false}, cancelled); }));
}

// (coded size, pixel format, bit depth, sample aspect ratio, color) of the first picture of the run that comes out, or
// None.
nb::object py_picture_facts(const PyVideo& self, const PyBytes& bytes, const PyRun& run, const StopFlag& stop) {
  run.check_against(self.video.table, SIZE_MAX);
  const auto facts = without_python(stop, [&](Cancellation& cancelled) {
    return picture_facts(self.video.stream, self.video.table, run.run, {bytes.source, false}, cancelled);
  });
  if (!facts) return nb::none();
  const auto& [primaries, transfer, matrix, range] = facts->color;
  return nb::make_tuple(nb::make_tuple(facts->width, facts->height), facts->pixel_format, facts->bit_depth,
                        nb::make_tuple(facts->sample_aspect_ratio.num, facts->sample_aspect_ratio.den),
                        nb::make_tuple(primaries, transfer, matrix, range));
}

// Memory of another library, in the reach of the processor, as a numpy array that shares it; None if it is elsewhere.
nb::object shared_array(nb::ndarray<> memory) {
  const int device = memory.device_type();
  const bool reachable = device == nb::device::cpu::value || device == nb::device::cuda_host::value ||
                         device == nb::device::rocm_host::value;
  if (!reachable) return nb::none();
  std::vector<std::size_t> shape;
  std::vector<std::int64_t> strides;
  for (std::size_t i = 0; i < memory.ndim(); i++) {
    shape.push_back(memory.shape(i));
    strides.push_back(memory.stride(i));
  }
  auto* kept = new nb::ndarray<>(memory);
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<nb::ndarray<>*>(p); });
  return nb::cast(
      nb::ndarray<nb::numpy>(memory.data(), shape.size(), shape.data(), owner, strides.data(), memory.dtype()));
}

// Keeps alive all that the C++ stream refers to.
struct PyPictureStream {
  nb::object video, runs;
  PictureStream pictures;

  PyPictureStream(nb::object py_video, const PyBytes& bytes, nb::list py_runs, bool skip_unreferenced)
      : video(py_video), runs(py_runs),
        pictures(nb::cast<PyVideo&>(video).video,
                 runs_of(nb::cast<std::vector<const PyRun*>>(runs), nb::cast<PyVideo&>(video).video.table, SIZE_MAX),
                 {bytes.source, skip_unreferenced}) {}

  nb::object read(const Layouts& layout, const std::vector<Plane>& planes, const StopFlag& stop) {
    const Target target(layout, planes);
    return to_numpy(without_python(
        stop, [&](Cancellation& cancelled) { return pictures.read(target.pictures, target.capacity, cancelled); }));
  }
};

// uint8 [bytes], which returns to `pool` when numpy releases it.
nb::object take_pages(PagePool& pool, std::size_t bytes) {
  auto* memory = new std::shared_ptr<std::uint8_t>(pool.take(bytes));
  nb::capsule owner(memory, [](void* p) noexcept { delete static_cast<std::shared_ptr<std::uint8_t>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<1>>(memory->get(), {bytes}, owner));
}

nb::dict scan_container(const PyBytes& bytes, std::int64_t max_pixels, const StopFlag& stop) {
  Scan scan =
      without_python(stop, [&](Cancellation& cancelled) { return hwang::scan(*bytes.source, max_pixels, cancelled); });
  nb::dict found;
  found["codec"] = scan.stream.codec;
  found["codec_tag"] = scan.stream.codec_tag;
  found["extradata"] = nb::bytes(scan.stream.extradata.data(), scan.stream.extradata.size());
  found["width"] = scan.stream.width;
  found["height"] = scan.stream.height;
  found["bits_per_coded_sample"] = scan.stream.bits_per_coded_sample;
  found["reorder"] = scan.stream.reorder;
  found["field_order"] = scan.stream.field_order;
  const Color& color = scan.stream.color;
  found["color"] = nb::make_tuple(color.primaries, color.transfer, color.matrix, color.range);
  const Cropping& cropping = scan.stream.cropping;
  found["cropping"] = nb::make_tuple(cropping.left, cropping.top, cropping.right, cropping.bottom);
  found["configurations"] = to_python(scan.configurations);
  found["coded_size"] = nb::make_tuple(scan.stream.coded_width, scan.stream.coded_height);
  found["parameter_sets"] = to_python(scan.parameter_sets);
  found["byte_addressable"] = scan.byte_addressable;
  const Transport& transport = scan.transport;
  found["transport"] = nb::make_tuple(transport.stride, transport.phase, transport.pid, transport.end);
  found["container"] = scan.container;
  found["clockless"] = scan.clockless;
  found["time_base"] = nb::make_tuple(scan.time_base.num, scan.time_base.den);
  found["sample_aspect_ratio"] = nb::make_tuple(scan.sample_aspect_ratio.num, scan.sample_aspect_ratio.den);
  found["duration"] = scan.duration;
  found["sample_offset"] = to_numpy(std::move(scan.offset));
  found["sample_size"] = to_numpy(std::move(scan.size));
  found["pts"] = to_numpy(std::move(scan.pts));
  found["dts"] = to_numpy(std::move(scan.dts));
  found["sync"] = to_numpy(std::move(scan.sync));
  found["disposable"] = to_numpy(std::move(scan.disposable));
  found["second_field"] = to_numpy(std::move(scan.second_field));
  found["hidden"] = to_numpy(std::move(scan.hidden));
  return found;
}

// Translates hwang::Error to the class of hwang.errors of its kind, and WriteError to an OSError with its errno.
void translate(const std::exception_ptr& pointer, void*) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    static constexpr const char* names[] = {"UnsupportedMediaError", "CorruptMediaError", "SourceError",
                                            "LimitExceededError", "StoppedError"};
    const nb::object type = nb::module_::import_("hwang.errors").attr(names[static_cast<int>(error.kind)]);
    PyErr_SetString(type.ptr(), error.what());
  } catch (const WriteError& error) {
    PyErr_SetObject(PyExc_OSError, nb::make_tuple(error.number, error.what()).ptr());
  }
}

}  // namespace
}  // namespace hwang

NB_MODULE(_core, m) {
  using namespace hwang;
  nb::set_leak_warnings(false);  // a process may end with decoders that it still uses
  DecoderLog::install();
  nb::register_exception_translator(translate);

  nb::enum_<PixelFormat>(m, "PixelFormat")
      .value("rgb24", PixelFormat::rgb24)
      .value("bgr24", PixelFormat::bgr24)
      .value("gray8", PixelFormat::gray8)
      .value("rgb48", PixelFormat::rgb48)
      .value("yuv420p", PixelFormat::yuv420p);
  nb::enum_<Care>(m, "Care").value("none", Care::none).value("full", Care::full).value("witness", Care::witness);
  nb::class_<Layout>(m, "Layout")
      .def(
          "__init__",
          [](Layout* self, PixelFormat format, int width, int height, bool any_size, int turn, bool planar) {
            new (self) Layout{format, width, height, any_size, turn, planar};
          },
          "pixel_format"_a, "width"_a, "height"_a, "any_size"_a, "turn"_a, "planar"_a);
  nb::class_<StopFlag>(m, "StopFlag").def(nb::init<>()).def("set", &StopFlag::set);
  nb::class_<PagePool>(m, "PagePool").def(nb::init<>()).def("take", &take_pages, "size"_a);
  nb::class_<PyBytes>(m, "Bytes");
  nb::class_<PyServedBytes, PyBytes>(m, "ServedBytes")
      .def(nb::init<std::uint64_t, std::size_t, std::size_t, const StopFlag&>(), "size"_a, "block_bytes"_a,
           "kept_blocks"_a, "stop"_a, nb::keep_alive<1, 5>())
      .def("wanted", &PyServedBytes::wanted)
      .def("give", &PyServedBytes::give, "offset"_a, "data"_a)
      .def("close", [](const PyServedBytes& self) { self.served->close(); });
  m.def("file_bytes", &file_bytes, "descriptor"_a, "size"_a);
  m.def("memory_bytes", &memory_bytes, "pieces"_a, "size"_a);
  nb::class_<PyRun>(m, "Run").def(nb::init<Array<std::uint32_t>, Array<std::uint32_t>, Array<std::int64_t>>(),
                                  "samples"_a, "wanted"_a, "slots"_a);
  nb::class_<PyVideo>(m, "Video")
      .def(nb::init<std::string, std::uint32_t, nb::bytes, int, int, PyCropping, PySize, int, int, int, PyColor,
                    Array<std::uint64_t>, Array<std::uint32_t>, Array<std::int64_t>, Array<std::uint8_t>, PyBytesFrom,
                    PyBytesFrom, bool, PyTransport, int>(),
           "codec"_a, "codec_tag"_a, "extradata"_a, "width"_a, "height"_a, "cropping"_a, "coded_size"_a,
           "bits_per_coded_sample"_a, "reorder"_a, "field_order"_a, "color"_a, "sample_offset"_a, "sample_size"_a,
           "pts"_a, "sync"_a, "configurations"_a, "parameter_sets"_a, "byte_addressable"_a, "transport"_a, "threads"_a)
      .def("decode", &decode, "source"_a, "runs"_a, "layout"_a, "planes"_a, "skip_unreferenced"_a, "care"_a, "stop"_a)
      .def("presentation_order", &presentation_order, "source"_a, "stop"_a)
      .def("second_fields", &second_fields, "source"_a, "samples"_a, "stop"_a)
      .def("reorders", &look<&Video::reorders>, "source"_a, "samples"_a, "stop"_a)
      .def("lack_sets", &lack_sets, "source"_a, "samples"_a, "stop"_a)
      .def("parameter_sets", &parameter_sets, "source"_a, "stop"_a)
      .def("picture_facts", &py_picture_facts, "source"_a, "run"_a, "stop"_a);
  nb::class_<PyPictureStream>(m, "PictureStream")
      .def(nb::init<nb::object, const PyBytes&, nb::list, bool>(), "video"_a, "source"_a, "runs"_a,
           "skip_unreferenced"_a)
      .def("read", &PyPictureStream::read, "layout"_a, "planes"_a, "stop"_a)
      .def("report", [](const PyPictureStream& self) { return report(self.pictures.outcome()); });
  m.def("shared_array", &shared_array, "memory"_a);
  m.def("scan", &scan_container, "source"_a, "max_pixels"_a, "stop"_a);
  m.def("may_be_left_behind", &may_be_left_behind);
  m.def("keep_threads_out", &keep_threads_out);
  bind_encoder(m);
  m.attr("codec_version") = av_version_info();
}
