#include "compiler/cache/compiled.h"

#include <cstring>

#include "base/build_id.h"
#include "base/error.h"
#include "base/sha256.h"
#include "flagos/base.h"

namespace fl::compiler {
namespace {

constexpr std::string_view kMagic = "FLKERN02";

// Numbers are 8 bytes, little-endian; texts and lists have their length before them.
class Writer {
 public:
  void number(uint64_t value) {
    for (int byte = 0; byte < 8; ++byte) bytes_ += static_cast<char>(value >> (8 * byte) & 0xFF);
  }
  void text(std::string_view value) {
    number(value.size());
    bytes_ += value;
  }
  void raw(std::string_view value) { bytes_ += value; }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  uint64_t number() {
    const std::string_view bytes = raw(8);
    uint64_t value = 0;
    for (size_t byte = 0; byte < 8; ++byte)
      value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[byte])) << (8 * byte);
    return value;
  }
  std::string_view text() { return raw(number()); }
  std::string_view raw(uint64_t size) {
    if (size > left_.size()) fail(FL_INVALID_ARGUMENT, "A compiled kernel is cut short; compile it again.");
    const std::string_view found = left_.substr(0, size);
    left_.remove_prefix(size);
    return found;
  }
  // The length of a list whose entries take at least `size` bytes each.
  uint64_t count(uint64_t size) {
    const uint64_t entries = number();
    if (entries > left_.size() / size) fail(FL_INVALID_ARGUMENT, "A compiled kernel is cut short; compile it again.");
    return entries;
  }
  bool empty() const { return left_.empty(); }

 private:
  std::string_view left_;
};

void write_key(const Key& key, Writer* out) {
  out->text(key.version);
  out->text(key.target);
  out->text(key.named_target);
  out->text(key.ttir);
  out->number(key.distance);
  out->number(key.constants.size());
  for (const auto& [argument, value] : key.constants) {
    out->number(argument);
    out->number(static_cast<uint64_t>(value));
  }
}

Key read_key(Reader* in) {
  Key key;
  key.version = in->text();
  key.target = in->text();
  key.named_target = in->text();
  key.ttir = in->text();
  key.distance = in->number();
  for (uint64_t left = in->count(16); left > 0; --left) {
    const uint64_t argument = in->number();
    key.constants[argument] = static_cast<int64_t>(in->number());
  }
  return key;
}

std::string checksum(std::string_view bytes) {
  const Sha256 digest = sha256(bytes);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

std::string Key::name() const {
  Writer out;
  write_key(*this, &out);
  return hex(sha256(out.bytes()));
}

const std::string& library_version() {
  static const auto* const version = new std::string(std::string(fl_version()) + "-" + build_id());
  return *version;
}

std::string to_bytes(const fl_compiled& compiled) {
  Writer out;
  out.raw(kMagic);
  write_key(compiled.key, &out);
  out.text(compiled.producer);
  out.text(compiled.symbol);
  out.number(compiled.scratch_bytes);
  out.number(compiled.stride_arguments);
  out.number(compiled.launch_flags);
  out.number(compiled.arguments.size());
  for (const Argument& argument : compiled.arguments) {
    out.number(argument.kind);
    out.number(argument.size);
  }
  out.text(compiled.object);
  out.raw(checksum(out.bytes()));
  return std::move(out.bytes());
}

fl_compiled from_bytes(std::string_view bytes) {
  if (!bytes.starts_with(kMagic))
    fail(FL_INVALID_ARGUMENT, "These bytes are not a kernel that this version of flagos compiled; compile it again.");
  if (bytes.size() < kMagic.size() + sizeof(Sha256))
    fail(FL_INVALID_ARGUMENT, "A compiled kernel is cut short; compile it again.");
  const std::string_view content = bytes.substr(0, bytes.size() - sizeof(Sha256));
  if (checksum(content) != bytes.substr(content.size())) {
    fail(FL_INVALID_ARGUMENT,
         "A compiled kernel was cut short or changed after it was written (its checksum differs); compile it again.");
  }
  Reader in(content.substr(kMagic.size()));
  fl_compiled compiled;
  compiled.key = read_key(&in);
  compiled.producer = in.text();
  compiled.symbol = in.text();
  compiled.scratch_bytes = in.number();
  compiled.stride_arguments = in.number();
  compiled.launch_flags = static_cast<uint32_t>(in.number());
  for (uint64_t left = in.count(16); left > 0; --left) {
    const auto kind = static_cast<uint32_t>(in.number());
    compiled.arguments.push_back({kind, static_cast<uint32_t>(in.number())});
  }
  compiled.object = in.text();
  if (!in.empty()) fail(FL_INVALID_ARGUMENT, "A compiled kernel has bytes behind its end; compile it again.");
  if (compiled.key.version != library_version()) {
    fail(FL_INVALID_ARGUMENT, "A kernel was compiled by another build of flagos (%s, this is %s); compile it again.",
         compiled.key.version.c_str(), library_version().c_str());
  }
  return compiled;
}

}  // namespace fl::compiler
