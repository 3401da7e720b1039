// What the unwinder must be able to walk without being misled (Linux Standard Base, "Exception Frames"; DWARF
// 4, 6.4.1): the sequence of CIE and FDE records of an .eh_frame section.
#include <cstring>

#include "base/object_debug.h"

namespace fl {
namespace {

constexpr uint8_t kPcRelativeSigned4 = 0x1b, kPcRelativeSigned8 = 0x1c, kAbsolute = 0x00;

// Takes bytes from the front of a record; `good` turns false when there are none left.
struct Cursor {
  std::span<const std::byte> rest;
  bool good = true;

  uint8_t byte() {
    if (rest.empty()) return good = false, uint8_t{0};
    const auto value = static_cast<uint8_t>(rest.front());
    rest = rest.subspan(1);
    return value;
  }
  void skip_leb128() {
    while ((byte() & 0x80) != 0 && good) {
    }
  }
};

uint32_t word(std::span<const std::byte> bytes, size_t offset) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// `body` stands behind a CIE's length and id.
bool known_cie(std::span<const std::byte> body) {
  Cursor cursor{body};
  if (cursor.byte() != 1) return false;  // version
  if (cursor.byte() != 'z' || cursor.byte() != 'R') return false;
  const uint8_t last = cursor.byte();  // "zR" or "zRS"
  if (last != 0 && !(last == 'S' && cursor.byte() == 0)) return false;
  cursor.skip_leb128();                  // code alignment
  cursor.skip_leb128();                  // data alignment
  cursor.byte();                         // return address register
  if (cursor.byte() != 1) return false;  // length of the augmentation data: the encoding alone
  const uint8_t encoding = cursor.byte();
  return cursor.good && (encoding == kPcRelativeSigned4 || encoding == kPcRelativeSigned8 || encoding == kAbsolute);
}

}  // namespace

bool well_formed_frames(std::span<const std::byte> frames) noexcept {
  constexpr size_t kSmallestFde = 4 + 4 + 4 + 4 + 1;  // length, CIE pointer, address, range, augmentation length
  bool any = false;
  for (size_t offset = 0; offset < frames.size();) {
    const size_t left = frames.size() - offset;
    if (left < 4) return false;
    const uint32_t length = word(frames, offset);
    if (length == 0) return any && left == 4;  // the terminator is the last thing
    if (length < 4 || length > left - 4) return false;
    const uint32_t id = word(frames, offset + 4);
    if (id == 0) {
      if (!known_cie(frames.subspan(offset + 8, length - 4))) return false;
    } else {
      // The distance back from here to the CIE, which must be one that was walked over.
      const size_t here = offset + 4;
      if (id > here || length + 4 < kSmallestFde) return false;
      size_t cie = 0;
      while (cie < here - id) cie += 4 + size_t{word(frames, cie)};
      if (cie != here - id || word(frames, cie + 4) != 0) return false;
    }
    any = true;
    offset += 4 + size_t{length};
  }
  return any;
}

}  // namespace fl
