// The C boundary of the compiler (flagos/compiler.h).

#include "flagos/compiler.h"

#include <dlfcn.h>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/struct_size.h"
#include "base/text.h"
#include "compiler/analysis/strides.h"
#include "compiler/device_debug.h"
#include "compiler/program.h"
#include "compiler/ttir/parser.h"
#include "compiler/ttir/printer.h"
#include "compiler/ttir/verifier.h"

namespace fl::compiler {

const Target& target() {
  static const auto* const found = new Target(host_target());
  return *found;
}

// Names and their targets live as long as the process.
const Target& target(const std::string& name) {
  static std::mutex mutex;
  static auto* const known = new std::map<std::string, Target>;
  const std::lock_guard<std::mutex> lock(mutex);
  auto found = known->find(name);
  if (found == known->end()) found = known->emplace(name, named_target(name)).first;
  return found->second;
}

Key key_of(std::string_view ttir, const fl_compiler_options* options) {
  Key key;
  key.version = library_version();
  key.target = formatted("%s%s/%d/%lld", target().cpu.c_str(), target().features.c_str(), target().stream_bytes,
                         static_cast<long long>(target().cache_bytes));
  key.ttir = ttir;
  if (options == nullptr) return key;
  if (options->struct_size < sizeof *options)
    fail(FL_INVALID_ARGUMENT, "The compiler's options need their struct_size set to %zu.", sizeof *options);
  for (uint32_t i = 0; i < options->constant_count; ++i)
    key.constants[options->constants[i].argument] = options->constants[i].value;
  key.distance = options->distance;
  if (options->target != nullptr) key.named_target = options->target;
  return key;
}

Argument argument_of(const ttir::Type& type) {
  if (type.pointer) return {FL_ARG_ADDRESS, 8};
  return {FL_ARG_BYTES, static_cast<uint32_t>(ttir::bytes_of(type.scalar))};
}

}  // namespace fl::compiler

using fl::compiler::target;

namespace {

void answer_with(const fl::compiler::Target& found, fl_compiler_target* out) {
  fl_compiler_target answer{};
  answer.triple = "x86_64-unknown-linux-gnu";
  answer.cpu = found.cpu.c_str();
  answer.features = found.features.c_str();
  answer.lanes = found.lanes;
  answer.stream_bytes = found.stream_bytes;
  answer.cache_bytes = found.cache_bytes;
  fl::fill_struct(out, answer);
}

}  // namespace

fl_status fl_compiler_host_target(fl_compiler_target* out) {
  return fl::guarded([&] { answer_with(target(), out); });
}

fl_status fl_compiler_named_target(const char* name, fl_compiler_target* out) {
  return fl::guarded([&] { answer_with(target(name), out); });
}

fl_status fl_compiler_compile(const char* ttir, uint64_t size, const fl_compiler_options* options,
                              fl_compiler_program** program) {
  return fl::guarded([&] {
    auto made = std::make_unique<fl_compiler_program>();
    made->key = fl::compiler::key_of({ttir, size}, options);
    made->module = fl::ttir::parse({ttir, size});
    fl::ttir::verify(*made->module);
    const auto& arguments = made->module->function.arguments();
    for (const auto& [argument, value] : made->key.constants) {
      if (argument >= arguments.size() || !arguments[argument]->type.holds_integer())
        fl::fail(FL_INVALID_ARGUMENT, "line 1, column 1: argument %zu is not an integer that can be fixed", argument);
    }
    fl::compiler::Target wanted = made->key.named_target.empty() ? target() : target(made->key.named_target);
    wanted.distance = made->key.distance;
    made->kernel = fl::compiler::lower(*made->module, wanted, made->key.constants);
    *program = made.release();
  });
}

void fl_compiler_release(fl_compiler_program* program) { delete program; }

fl_status fl_compiler_get_info(const fl_compiler_program* program, fl_compiler_program_info* info) {
  return fl::guarded([&] {
    fl_compiler_program_info answer{};
    answer.symbol = program->module->function.name.c_str();
    answer.llvm_ir = program->kernel.text.c_str();
    answer.llvm_ir_size = program->kernel.text.size();
    answer.scratch_bytes = static_cast<uint64_t>(program->kernel.scratch);
    answer.launch_flags = program->kernel.ordered ? FL_LAUNCH_ORDERED : 0;
    answer.argument_count = static_cast<uint32_t>(program->module->function.arguments().size());
    answer.stride_arguments = fl::compiler::stride_arguments(program->module->function);
    fl::fill_struct(info, answer);
  });
}

fl_status fl_compiler_argument(const fl_compiler_program* program, uint32_t index, uint32_t* kind, uint32_t* size) {
  return fl::guarded([&] {
    const auto& arguments = program->module->function.arguments();
    if (index >= arguments.size())
      fl::fail(FL_INVALID_ARGUMENT, "The kernel has %zu arguments, not %u.", arguments.size(), index + 1);
    const fl::compiler::Argument argument = fl::compiler::argument_of(arguments[index]->type);
    *kind = argument.kind;
    *size = argument.size;
  });
}

fl_status fl_compiler_print(const fl_compiler_program* program, fl_text_sink sink, void* context) {
  return fl::guarded([&] {
    const std::string text = fl::ttir::print(*program->module);
    sink(context, text.data(), text.size());
  });
}

fl_status fl_compiler_explain(const fl_compiler_program* program, fl_text_sink sink, void* context) {
  return fl::guarded([&] { sink(context, program->kernel.report.data(), program->kernel.report.size()); });
}

uint64_t fl_compiler_resolve(void*, const char* name) {
  if (const uint64_t own = fl::compiler::device_function(name)) return own;
  // libm is a library of its own: it need not be in the global scope of a Python process.
  static void* const libm = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
  void* found = libm == nullptr ? nullptr : dlsym(libm, name);
  if (found == nullptr) found = dlsym(RTLD_DEFAULT, name);
  return reinterpret_cast<uint64_t>(found);
}
