// "module/1": what is refused, and, where a driver takes "elf-x86_64" and shares its memory with the host, what a
// launch does.
#include <algorithm>
#include <array>

#include "drivers/conformance/suite.h"

extern "C" const char fl_conformance_kernels_begin[], fl_conformance_kernels_end[];

namespace fl::conformance {
namespace {

constexpr char kElf[] = "elf-x86_64";

uint64_t answer() { return 42; }
uint64_t resolve(void*, const char* name) {
  return std::strcmp(name, "conformance_answer") == 0 ? reinterpret_cast<uint64_t>(&answer) : 0;
}

const fl_hal_module1& module_group_of(const Subject& subject) {
  const auto& group = subject.need_group<fl_hal_module1>("module/1");
  expect(group.struct_size >= sizeof(fl_hal_module1), "module/1: struct_size is too small");
  return group;
}

bool takes(const fl_hal_module1& group, const char* kind) {
  for (const char* const* at = group.image_kinds; *at; ++at)
    if (std::strcmp(*at, kind) == 0) return true;
  return false;
}

// The kernels of kernels.c on a device whose addresses the host can follow.
class Kernels {
 public:
  explicit Kernels(const Subject& subject) : subject_(subject), group_(module_group_of(subject)) {
    if (!takes(group_, kElf)) throw Skipped("the driver takes no elf-x86_64 images");
    if (!subject.can(FL_CAP_HOST_ACCESS))
      throw Skipped("the kernels of this check follow host addresses (no FL_CAP_HOST_ACCESS)");
    const auto size = static_cast<uint64_t>(fl_conformance_kernels_end - fl_conformance_kernels_begin);
    std::vector<char> image(fl_conformance_kernels_begin, fl_conformance_kernels_end);
    subject.ok(group_.load(subject.device, kElf, "conformance", image.data(), size, resolve, nullptr, &module_),
               "load");
    std::fill(image.begin(), image.end(), 0);  // the image was copied
  }
  ~Kernels() { group_.unload(subject_.device, module_); }
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;

  fl_hal_function function(const char* name) const {
    fl_hal_function found = nullptr;
    subject_.ok(group_.function(subject_.device, module_, name, &found), std::string("function ") + name);
    return found;
  }
  void launch(const char* name, const fl_launch_config& config, const std::vector<fl_arg>& args) const {
    subject_.ok(group_.launch(subject_.device, nullptr, function(name), &config, args.data(),
                              static_cast<uint32_t>(args.size())),
                std::string("launch of ") + name);
    subject_.ok(subject_.driver.device_synchronize(subject_.device), "device_synchronize");
  }
  const fl_hal_module1& group() const { return group_; }
  fl_hal_module module() const { return module_; }

 private:
  const Subject subject_;
  const fl_hal_module1& group_;
  fl_hal_module module_ = nullptr;
};

fl_launch_config grid_of(uint32_t x, uint32_t y = 1, uint32_t z = 1) {
  fl_launch_config config{};
  config.struct_size = sizeof(config);
  config.grid[0] = x, config.grid[1] = y, config.grid[2] = z;
  config.block[0] = config.block[1] = config.block[2] = 1;
  return config;
}

fl_arg address_of(const fl_addr& address) { return {FL_ARG_ADDRESS, sizeof(fl_addr), &address}; }
template <typename T>
fl_arg bytes_of(const T& value) {
  return {FL_ARG_BYTES, sizeof(T), &value};
}

template <typename T>
T element(const std::vector<char>& bytes, uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

void names_its_image_kinds(const Subject& subject) {
  const fl_hal_module1& group = module_group_of(subject);
  expect(group.image_kinds && group.image_kinds[0], "module/1 names no image kind");
}

void unknown_kinds_and_bytes_are_refused(const Subject& subject) {
  const fl_hal_module1& group = module_group_of(subject);
  fl_hal_module module = nullptr;
  const std::vector<char> bytes = noise(4096, 51);
  subject.refused(
      group.load(subject.device, "no-such-kind", "bad", bytes.data(), bytes.size(), nullptr, nullptr, &module),
      FL_UNSUPPORTED, "load of an unknown image kind");
  for (const char* const* kind = group.image_kinds; *kind; ++kind) {
    if (std::strcmp(*kind, "builtin") == 0) continue;  // it has no bytes
    subject.refused(group.load(subject.device, *kind, "bad", bytes.data(), bytes.size(), nullptr, nullptr, &module),
                    FL_OK, std::string("load of noise as ") + *kind);
  }
}

void every_program_runs_once(const Subject& subject) {
  const Kernels kernels(subject);
  for (const auto& [x, y, z] :
       {std::array<uint32_t, 3>{1, 1, 1}, {7, 1, 1}, {1000, 1, 1}, {13, 5, 3}, {1, 1, 50'000}}) {
    for (const uint32_t grain : {0u, 1u, 64u, 1'000'000u}) {
      for (const uint32_t flags : {0u, uint32_t{FL_LAUNCH_ORDERED}}) {
        const uint64_t programs = uint64_t{x} * y * z;
        const Memory counters(subject, programs * 4);
        const uint32_t zero = 0, addend = 3;
        subject.ok(subject.driver.fill(subject.device, nullptr, counters.address(), &zero, 4, programs), "fill");
        fl_launch_config config = grid_of(x, y, z);
        config.grain = grain;
        config.flags = flags;
        const fl_addr address = counters.address();
        kernels.launch("count_programs", config, {address_of(address), bytes_of(addend)});
        const std::vector<char> got = read(subject, counters, programs * 4);
        for (uint64_t id = 0; id < programs; ++id)
          expect(element<uint32_t>(got, id) == 3,
                 formatted("program %u of a grid of %u x %u x %u ran %u/3 times (grain %u)", static_cast<unsigned>(id),
                           x, y, z, element<uint32_t>(got, id), grain));
      }
    }
  }
}

void an_empty_grid_is_nothing(const Subject& subject) {
  const Kernels kernels(subject);
  const Memory counters(subject, 64);
  write(subject, counters, noise(64, 52));
  const fl_addr address = counters.address();
  const uint32_t addend = 1;
  for (const fl_launch_config& config : {grid_of(0), grid_of(1, 0), grid_of(5, 5, 0)})
    kernels.launch("count_programs", config, {address_of(address), bytes_of(addend)});
  expect_same(read(subject, counters, 64), noise(64, 52), "memory after launches of an empty grid");
}

void grid_and_scratch_arrive(const Subject& subject) {
  const Kernels kernels(subject);
  const Memory out(subject, 5 * 8);
  const fl_addr address = out.address();
  for (const uint32_t scratch : {0u, 1u, 100'000u}) {
    fl_launch_config config = grid_of(3, 4, 5);
    config.grain = 1'000;  // one thread
    config.shared_bytes = scratch;
    kernels.launch("report_launch", config, {address_of(address), bytes_of(uint64_t{scratch})});
    const std::vector<char> got = read(subject, out, 5 * 8);
    expect(element<uint64_t>(got, 0) == 3 && element<uint64_t>(got, 1) == 4 && element<uint64_t>(got, 2) == 5,
           "the kernel saw another grid");
    expect(element<uint64_t>(got, 3) == 0, "the scratch is not aligned to 64 bytes");
    expect(element<uint64_t>(got, 4) == (scratch > 0), "the scratch is there without being asked for, or is not there");
  }
}

void ordered_programs_make_progress(const Subject& subject) {
  const Kernels kernels(subject);
  const Memory turn(subject, 8);
  const fl_addr address = turn.address();
  for (const uint32_t programs : {1u, 2u, 17u, 1'000u}) {
    const uint64_t zero = 0;
    subject.ok(subject.driver.fill(subject.device, nullptr, turn.address(), &zero, 8, 1), "fill");
    fl_launch_config config = grid_of(programs);
    config.flags = FL_LAUNCH_ORDERED;
    kernels.launch("wait_for_predecessor", config, {address_of(address)});
    expect(element<uint64_t>(read(subject, turn, 8), 0) == programs, "not every program had its turn");
  }
}

void the_resolver_is_asked(const Subject& subject) {
  const Kernels kernels(subject);
  const Memory out(subject, 8);
  const fl_addr address = out.address();
  kernels.launch("ask_resolver", grid_of(1), {address_of(address)});
  expect(element<uint64_t>(read(subject, out, 8), 0) == 42, "the function that the resolver gave was not called");
  fl_hal_module module = nullptr;
  const auto size = static_cast<uint64_t>(fl_conformance_kernels_end - fl_conformance_kernels_begin);
  subject.refused(kernels.group().load(subject.device, kElf, "unresolved", fl_conformance_kernels_begin, size, nullptr,
                                       nullptr, &module),
                  FL_OK, "load of an image with a symbol that nobody knows");
}

void bad_launches_are_refused(const Subject& subject) {
  const Kernels kernels(subject);
  const fl_hal_module1& group = kernels.group();
  fl_hal_function function = nullptr;
  subject.refused(group.function(subject.device, kernels.module(), "no_such_kernel", &function), FL_INVALID_ARGUMENT,
                  "a function that the module does not have");
  function = kernels.function("count_programs");
  const fl_arg without_data{FL_ARG_BYTES, 4, nullptr};
  const fl_launch_config config = grid_of(1);
  subject.refused(group.launch(subject.device, nullptr, function, &config, &without_data, 1), FL_INVALID_ARGUMENT,
                  "launch with an argument without data");
  fl_launch_config unknown_flag = config;
  unknown_flag.flags = 1u << 30;
  subject.refused(group.launch(subject.device, nullptr, function, &unknown_flag, nullptr, 0), FL_INVALID_ARGUMENT,
                  "launch with an unknown flag");
  const fl_launch_config endless = grid_of(UINT32_MAX, UINT32_MAX, UINT32_MAX);
  subject.refused(group.launch(subject.device, nullptr, function, &endless, nullptr, 0), FL_INVALID_ARGUMENT,
                  "launch of 2^96 programs");
  subject.refused(group.launch(subject.devices, nullptr, function, &config, nullptr, 0), FL_INVALID_ARGUMENT,
                  "launch on a device that is not there");
}

constexpr Check kChecks[] = {
    {"module/names_its_image_kinds", names_its_image_kinds},
    {"module/unknown_kinds_and_bytes_are_refused", unknown_kinds_and_bytes_are_refused},
    {"module/every_program_runs_once", every_program_runs_once},
    {"module/an_empty_grid_is_nothing", an_empty_grid_is_nothing},
    {"module/grid_and_scratch_arrive", grid_and_scratch_arrive},
    {"module/ordered_programs_make_progress", ordered_programs_make_progress},
    {"module/the_resolver_is_asked", the_resolver_is_asked},
    {"module/bad_launches_are_refused", bad_launches_are_refused},
};

}  // namespace

std::span<const Check> module_checks() { return kChecks; }

}  // namespace fl::conformance
