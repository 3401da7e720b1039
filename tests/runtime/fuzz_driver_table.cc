// Any bytes as a driver: its table's size, version, name, null members, groups, answers and devices, and as the words
// of FLAGOS_DRIVER. Whatever they say, nothing is read past what struct_size covers, each refusal has a reason, and a
// driver that is right is selected beside it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fake_driver_table.h"
#include "runtime/driver_list.h"

namespace {

using fl::runtime::DriverList;
using Table = fl::test::FakeTable<0>;

void require(bool condition) {
  if (!condition) std::abort();
}

// The input, byte by byte; zeros when it is used up.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  uint8_t byte() {
    if (!left_) return 0;
    --left_;
    return *data_++;
  }
  uint64_t number() {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }
  // Often a plausible value, sometimes any.
  uint64_t near(uint64_t value) {
    switch (byte() % 8) {
      case 0:
        return number();
      case 1:
        return value + 1;
      case 2:
        return value - 1;
      case 3:
        return byte();
      default:
        return value;
    }
  }
  std::string text(size_t most) {
    std::string text(byte() % (most + 1), '\0');
    for (char& letter : text) letter = static_cast<char>(byte());
    return text;
  }
  bool chance(int one_in) { return byte() % one_in == 1; }

 private:
  const uint8_t* data_;
  size_t left_;
};

// What the fuzzed driver answers; one at a time.
struct Script {
  std::unique_ptr<char[]> table;  // exactly as long as struct_size says, so that the sanitizer sees a byte too many
  std::string name, version, why;
  fl_status entry = FL_OK;
  fl_status count_status = FL_OK, info_status = FL_OK;
  int32_t count = 1;
  fl_hal_device_info info{};
  std::unique_ptr<char[]> groups[3];
};
Script* script = nullptr;

template <class Group>
std::unique_ptr<char[]> mutated(Bytes& bytes, const void* original) {
  Group group;
  std::memcpy(&group, original, sizeof(group));
  group.struct_size = bytes.near(sizeof(group));
  if (bytes.chance(4)) {
    std::memset(reinterpret_cast<char*>(&group) + 8 * (1 + bytes.byte() % (sizeof(group) / 8 - 1)), 0, 8);
  }
  const size_t size = group.struct_size < 8 ? 8 : group.struct_size < 4096 ? group.struct_size : sizeof(group);
  std::unique_ptr<char[]> made(new char[size]());
  std::memcpy(made.get(), &group, size < sizeof(group) ? size : sizeof(group));
  return made;
}

const void* group(const char* name) {
  if (std::strcmp(name, "module/1") == 0) return script->groups[0].get();
  if (std::strcmp(name, "hostfunc/1") == 0) return script->groups[1].get();
  if (std::strcmp(name, "peer/1") == 0) return script->groups[2].get();
  return nullptr;
}

void write_table(Bytes& bytes) {
  fl_driver table = Table::table(nullptr);
  script->name = bytes.chance(3) ? bytes.text(40) : "fuzzed";
  script->version = bytes.text(20);
  table.name = bytes.chance(16) ? nullptr : script->name.c_str();
  table.version = bytes.chance(8) ? nullptr : script->version.c_str();
  table.struct_size = bytes.near(sizeof(table));
  table.abi_version = static_cast<uint32_t>(bytes.near(FL_HAL_VERSION));
  table.capabilities = bytes.byte();
  if (bytes.chance(4)) {
    const size_t first = offsetof(fl_driver, last_error) / 8;
    std::memset(reinterpret_cast<char*>(&table) + 8 * (first + bytes.byte() % (sizeof(table) / 8 - first)), 0, 8);
  }
  if (table.group) table.group = group;
  if (table.device_count) {
    table.device_count = [](int32_t* count) {
      *count = script->count;
      return script->count_status;
    };
  }
  if (table.device_info) {
    table.device_info = [](int32_t, fl_hal_device_info* info) {
      *info = script->info;
      return script->info_status;
    };
  }
  // Beyond a few pages the size is taken for a lie before anything is read, but a table has to be there for its head.
  const size_t size = table.struct_size < 16 ? 16 : table.struct_size < 4096 ? table.struct_size : sizeof(table);
  script->table.reset(new char[size]());
  std::memcpy(script->table.get(), &table, size < sizeof(table) ? size : sizeof(table));
}

fl_status fuzzed_entry(const fl_driver_host*, const fl_driver** driver, char* why, size_t why_size) {
  std::memcpy(why, script->why.data(), script->why.size() < why_size ? script->why.size() : why_size);
  *driver = reinterpret_cast<const fl_driver*>(script->table.get());
  return script->entry;
}

fl_status right_entry(const fl_driver_host*, const fl_driver** driver, char*, size_t) {
  static const fl_driver table = fl::test::FakeTable<1>::table("right");
  *driver = &table;
  return FL_OK;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  Script now;
  script = &now;
  write_table(bytes);
  if (bytes.chance(16)) now.table.reset();
  now.entry = static_cast<fl_status>(bytes.chance(4) ? bytes.byte() % 8 : 0);
  now.why = bytes.chance(4) ? std::string(600, 'y') : bytes.text(30);
  now.count = static_cast<int32_t>(bytes.near(1));
  now.count_status = static_cast<fl_status>(bytes.chance(8) ? bytes.byte() % 8 : 0);
  now.info_status = static_cast<fl_status>(bytes.chance(8) ? bytes.byte() % 8 : 0);
  now.info.alignment = static_cast<uint32_t>(bytes.near(256));
  now.info.total_memory = bytes.number();
  if (bytes.chance(8)) std::memset(now.info.name, 'n', sizeof(now.info.name));
  if (bytes.chance(8)) std::memset(now.info.arch, 'a', sizeof(now.info.arch));
  if (bytes.chance(2)) now.groups[0] = mutated<fl_hal_module1>(bytes, Table::group("module/1"));
  if (bytes.chance(2)) now.groups[1] = mutated<fl_hal_hostfunc1>(bytes, Table::group("hostfunc/1"));
  fl::test::fake<0>().has_peer = true;
  if (bytes.chance(2)) now.groups[2] = mutated<fl_hal_peer1>(bytes, Table::group("peer/1"));

  std::vector<std::string> wanted;
  for (int words = bytes.byte() % 4; words > 0; --words) {
    const char* names[] = {"fuzzed", "right", ""};
    const uint8_t which = bytes.byte() % 4;
    wanted.push_back(which < 3 ? names[which] : bytes.text(50));
  }

  const std::vector<fl::runtime::LinkedDriver> linked = {{"fuzzed", fuzzed_entry}, {"right", right_entry}};
  {
    DriverList list(linked, {}, {});
    const DriverList::Row& fuzzed = *list.report()[0];
    const DriverList::Row& right = *list.report()[1];
    require(right.selected && right.status == FL_OK);
    require(fuzzed.selected == (fuzzed.status == FL_OK));
    require((fuzzed.status == FL_OK) == fuzzed.reason.empty());
    require(fuzzed.status >= FL_OK && fuzzed.status <= FL_INTERNAL && fuzzed.status != FL_NOT_READY);
    if (fuzzed.status == FL_OK) {
      require(fuzzed.driver->name == "fuzzed" && !fuzzed.devices.empty());
      require(fuzzed.devices.front().alignment >= 64);
    }
  }
  DriverList named(linked, {}, wanted);
  if (named.status() == FL_OK) {
    require(wanted.empty() || named.selected().size() == wanted.size());
  } else {
    require(named.selected().empty() && named.reason().find("FLAGOS_DRIVER") != std::string::npos);
  }
  script = nullptr;
  return 0;
}
