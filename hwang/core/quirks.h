#pragma once

#include "demux.h"
#include "units.h"

namespace hwang {

// What is particular about libavcodec's decoder of a codec: how it shows damage, and what it keeps.
struct Quirks {
  bool keeps_state = false;  // shows a damaged sample by what it decoded before a flush, or by its threads, and reports
                             // nothing: each run gets a new one, with one thread
  bool one_thread = false;   // several confuse each other
  bool marks_damage = false;    // in every picture that it concealed errors in
  bool only_logs = false;       // marks no picture: an error in its log is damage
  bool leaves_parts = false;    // shows, where damage makes a picture end early, lack slices or refer to none, whatever
                                // memory held
  bool reads_on = false;        // goes on behind the end of a sample with what an earlier picture left
  bool header_in_band = false;  // finds the header in samples; that of the container may promise larger pictures
};

Quirks quirks_of(AVCodecID codec);

// Appends noise, which a decoder that reads on never reaches in a sound sample: it leads to an error that is reported,
// or at least to one picture.
void end_in_noise(AVPacket& packet, const Stream& stream);

// Returns true for a sample of uncompressed video that leaves pixels of few bits unset: its decoder reports nothing.
bool is_too_short(const AVPacket& packet, const Stream& stream);

// Returns the palette of a MOV file: the header of QuickTime Animation and uncompressed video is nothing else.
Bytes palette(const Stream& stream);

}  // namespace hwang
