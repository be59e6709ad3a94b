#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "decode.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace hwang {
namespace {

template <typename T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Pictures = nb::ndarray<std::uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;

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

// Bytes that Python objects own, as long as they are needed.
struct PyBytes {
  std::vector<nb::bytes> kept;
  std::unique_ptr<ByteSource> source;
};

PyBytes file_bytes(int descriptor, std::uint64_t size) { return {{}, std::make_unique<FileBytes>(descriptor, size)}; }

PyBytes memory_bytes(const std::vector<std::pair<std::uint64_t, nb::bytes>>& pieces, std::uint64_t size) {
  PyBytes bytes;
  std::vector<MemoryBytes::Piece> views;
  for (const auto& [offset, data] : pieces) {
    bytes.kept.push_back(data);
    views.push_back({offset, {reinterpret_cast<const std::uint8_t*>(data.c_str()), data.size()}});
  }
  bytes.source = std::make_unique<MemoryBytes>(std::move(views), size);
  return bytes;
}

struct PyStream {
  Stream stream;
  PyStream(std::string codec, std::uint32_t codec_tag, nb::bytes extradata, int width, int height, int bits_per_coded_sample, int reorder,
           std::tuple<int, int, int, int> color) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(extradata.c_str());
    const auto [primaries, transfer, matrix, range] = color;
    stream = {std::move(codec), codec_tag, {data, data + extradata.size()}, width, height, bits_per_coded_sample, reorder, primaries, transfer, matrix, range};
  }
};

struct PyTable {
  Array<std::uint64_t> offset;
  Array<std::uint32_t> size;
  Array<std::int64_t> pts;
  Array<std::uint8_t> sync;
  Table table;

  PyTable(Array<std::uint64_t> offset, Array<std::uint32_t> size, Array<std::int64_t> pts, Array<std::uint8_t> sync, bool byte_addressable)
      : offset(offset), size(size), pts(pts), sync(sync), table{view(offset), view(size), view(pts), view(sync), byte_addressable} {
    const std::size_t n = offset.shape(0);
    if (size.shape(0) != n || pts.shape(0) != n || sync.shape(0) != n) throw nb::value_error("the arrays of a table have one length");
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
      if (place < 0 || static_cast<std::size_t>(place) >= slots) throw nb::value_error("a slot lies outside the output");
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

void check_shape(const Pictures& out, const Stream& stream) {
  const bool fits = out.shape(1) == static_cast<std::size_t>(stream.height) && out.shape(2) == static_cast<std::size_t>(stream.width) && out.shape(3) == 3;
  if (!fits) throw nb::value_error("the output is uint8 [pictures, height, width, 3]");
}

nb::tuple report(const Outcome& outcome) {
  return nb::make_tuple(to_numpy(outcome.failed), outcome.packets_decoded, outcome.frames_converted);
}

nb::tuple py_decode_runs(const PyStream& stream, const PyTable& table, const PyBytes& bytes, const std::vector<const PyRun*>& runs, Pictures out, int threads) {
  check_shape(out, stream.stream);
  const auto views = runs_of(runs, table.table, out.shape(0));
  Outcome outcome;
  {
    nb::gil_scoped_release released;
    outcome = decode_runs(stream.stream, table.table, *bytes.source, views, out.data(), std::max(1, threads));
  }
  return report(outcome);
}

// Holds on to everything that the C++ stream only looks at.
struct PyPictureStream {
  nb::object stream, table, bytes, runs;
  const Stream& parameters;
  std::unique_ptr<PictureStream> pictures;

  PyPictureStream(nb::object py_stream, nb::object py_table, nb::object py_bytes, nb::list py_runs, int threads)
      : stream(py_stream), table(py_table), bytes(py_bytes), runs(py_runs), parameters(nb::cast<const PyStream&>(py_stream).stream) {
    const Table& samples = nb::cast<const PyTable&>(table).table;
    const auto views = runs_of(nb::cast<std::vector<const PyRun*>>(runs), samples, SIZE_MAX);
    pictures = std::make_unique<PictureStream>(parameters, samples, *nb::cast<const PyBytes&>(bytes).source, views, std::max(1, threads));
  }

  nb::object read(Pictures out) {
    check_shape(out, parameters);
    std::vector<std::uint32_t> samples;
    {
      nb::gil_scoped_release released;
      samples = pictures->read(out.data(), out.shape(0));
    }
    return to_numpy(std::move(samples));
  }
};

nb::dict py_scan(const PyBytes& bytes) {
  Scan scan;
  {
    nb::gil_scoped_release released;
    scan = hwang::scan(*bytes.source);
  }
  nb::dict found;
  found["codec"] = scan.stream.codec;
  found["codec_tag"] = scan.stream.codec_tag;
  found["extradata"] = nb::bytes(scan.stream.extradata.data(), scan.stream.extradata.size());
  found["width"] = scan.stream.width;
  found["height"] = scan.stream.height;
  found["bits_per_coded_sample"] = scan.stream.bits_per_coded_sample;
  found["reorder"] = scan.stream.reorder;
  found["color"] = nb::make_tuple(scan.stream.color_primaries, scan.stream.color_transfer, scan.stream.color_matrix, scan.stream.color_range);
  found["container"] = scan.container;
  found["time_base"] = nb::make_tuple(scan.time_base.num, scan.time_base.den);
  found["duration"] = scan.duration;
  found["sample_offset"] = to_numpy(std::move(scan.offset));
  found["sample_size"] = to_numpy(std::move(scan.size));
  found["pts"] = to_numpy(std::move(scan.pts));
  found["dts"] = to_numpy(std::move(scan.dts));
  found["sync"] = to_numpy(std::move(scan.sync));
  found["disposable"] = to_numpy(std::move(scan.disposable));
  found["hidden"] = to_numpy(std::move(scan.hidden));
  return found;
}

nb::object py_presentation_order(const PyStream& stream, const PyTable& table, const PyBytes& bytes, int threads) {
  std::vector<std::uint32_t> order;
  {
    nb::gil_scoped_release released;
    order = presentation_order(stream.stream, table.table, *bytes.source, std::max(1, threads));
  }
  return to_numpy(std::move(order));
}

// hwang::Error becomes the class of hwang.errors that stands for its kind.
void translate(const std::exception_ptr& pointer, void*) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    static constexpr const char* names[] = {"UnsupportedMediaError", "CorruptMediaError", "SourceError", "LimitExceededError"};
    const nb::object type = nb::module_::import_("hwang.errors").attr(names[static_cast<int>(error.kind)]);
    PyErr_SetString(type.ptr(), error.what());
  }
}

}  // namespace
}  // namespace hwang

NB_MODULE(_core, m) {
  using namespace hwang;
  av_log_set_level(AV_LOG_QUIET);
  nb::register_exception_translator(translate);

  nb::class_<PyBytes>(m, "Bytes");
  m.def("file_bytes", &file_bytes, "descriptor"_a, "size"_a);
  m.def("memory_bytes", &memory_bytes, "pieces"_a, "size"_a);
  nb::class_<PyStream>(m, "Stream")
      .def(nb::init<std::string, std::uint32_t, nb::bytes, int, int, int, int, std::tuple<int, int, int, int>>(), "codec"_a, "codec_tag"_a, "extradata"_a,
           "width"_a, "height"_a, "bits_per_coded_sample"_a, "reorder"_a, "color"_a);
  nb::class_<PyTable>(m, "Table")
      .def(nb::init<Array<std::uint64_t>, Array<std::uint32_t>, Array<std::int64_t>, Array<std::uint8_t>, bool>(), "sample_offset"_a, "sample_size"_a, "pts"_a, "sync"_a, "byte_addressable"_a);
  nb::class_<PyRun>(m, "Run")
      .def(nb::init<Array<std::uint32_t>, Array<std::uint32_t>, Array<std::int64_t>>(), "samples"_a, "wanted"_a, "slots"_a);
  nb::class_<PyPictureStream>(m, "PictureStream")
      .def(nb::init<nb::object, nb::object, nb::object, nb::list, int>(), "stream"_a, "table"_a, "source"_a, "runs"_a, "threads"_a)
      .def("read", &PyPictureStream::read, "out"_a.noconvert())
      .def("report", [](const PyPictureStream& self) { return report(self.pictures->outcome()); });
  m.def("decode_runs", &py_decode_runs, "stream"_a, "table"_a, "source"_a, "runs"_a, "out"_a.noconvert(), "threads"_a);
  m.def("scan", &py_scan, "source"_a);
  m.def("presentation_order", &py_presentation_order, "stream"_a, "table"_a, "source"_a, "threads"_a);
  m.attr("codec_version") = av_version_info();
}
