#include "picture_facts.h"

namespace hwang {

std::optional<PictureFacts> picture_facts(const Stream& stream, const Table& table, const Run& run, const Feed& feed,
                                          Cancellation& cancellation) {
  RunDecoder decoder(stream, table, 1, Care::full);
  const auto picture = owned<FramePtr>(av_frame_alloc());
  decoder.start(run, feed);
  if (!decoder.next(*picture, cancellation)) return std::nullopt;
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture->format));
  return PictureFacts{picture->width,
                      picture->height,
                      format.name,
                      format.comp[0].depth,
                      picture->sample_aspect_ratio,
                      {picture->color_primaries, picture->color_trc, picture->colorspace, picture->color_range}};
}

}  // namespace hwang
