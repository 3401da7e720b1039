// fl_compiled_* and fl_cache_*: the C boundary of compiled kernels (flagos/compiler.h).
#include <memory>

#include "base/error.h"
#include "base/struct_size.h"
#include "compiler/analysis/strides.h"
#include "compiler/cache/store.h"
#include "compiler/program.h"

using fl::guarded;

const char* fl_compiler_version(void) {
  const char* version = "";
  guarded([&] { version = fl::compiler::library_version().c_str(); });
  return version;
}

fl_status fl_compiled_make(const fl_compiler_program* program, const void* object, uint64_t size, const char* producer,
                           fl_compiled** compiled) {
  return guarded([&] {
    auto made = std::make_unique<fl_compiled>();
    const fl::ttir::Function& function = program->module->function;
    made->key = program->key;
    made->producer = producer;
    made->symbol = function.name;
    made->scratch_bytes = static_cast<uint64_t>(program->kernel.scratch);
    made->stride_arguments = fl::compiler::stride_arguments(function);
    made->launch_flags = program->kernel.ordered ? FL_LAUNCH_ORDERED : 0;
    for (const fl::ttir::Value* argument : function.arguments())
      made->arguments.push_back(fl::compiler::argument_of(argument->type));
    made->object.assign(static_cast<const char*>(object), size);
    *compiled = made.release();
  });
}

void fl_compiled_release(fl_compiled* compiled) { delete compiled; }

fl_status fl_compiled_write(const fl_compiled* compiled, fl_text_sink sink, void* context) {
  return guarded([&] {
    const std::string bytes = fl::compiler::to_bytes(*compiled);
    sink(context, bytes.data(), bytes.size());
  });
}

fl_status fl_compiled_read(const void* bytes, uint64_t size, fl_compiled** compiled) {
  return guarded([&] {
    *compiled = new fl_compiled(fl::compiler::from_bytes({static_cast<const char*>(bytes), size}));
  });
}

fl_status fl_compiled_get_info(const fl_compiled* compiled, fl_compiled_info* info) {
  return guarded([&] {
    fl_compiled_info answer{};
    answer.symbol = compiled->symbol.c_str();
    answer.producer = compiled->producer.c_str();
    answer.ttir = compiled->key.ttir.c_str();
    answer.ttir_size = compiled->key.ttir.size();
    answer.object = compiled->object.data();
    answer.object_size = compiled->object.size();
    answer.scratch_bytes = compiled->scratch_bytes;
    answer.launch_flags = compiled->launch_flags;
    answer.argument_count = static_cast<uint32_t>(compiled->arguments.size());
    answer.stride_arguments = compiled->stride_arguments;
    fl::fill_struct(info, answer);
  });
}

fl_status fl_compiled_argument(const fl_compiled* compiled, uint32_t index, uint32_t* kind, uint32_t* size) {
  return guarded([&] {
    if (index >= compiled->arguments.size())
      fl::fail(FL_INVALID_ARGUMENT, "The kernel has %zu arguments, not %u.", compiled->arguments.size(), index + 1);
    *kind = compiled->arguments[index].kind;
    *size = compiled->arguments[index].size;
  });
}

fl_status fl_cache_find(const char* folder, const char* ttir, uint64_t size, const fl_compiler_options* options,
                        fl_compiled** compiled) {
  return guarded([&] {
    auto found = fl::compiler::find(fl::compiler::cache_folder(folder), fl::compiler::key_of({ttir, size}, options));
    if (!found) fl::fail(FL_ABSENT, "The cache has no kernel of this text, these options and this CPU.");
    *compiled = new fl_compiled(std::move(*found));
  });
}

fl_status fl_cache_store(const char* folder, const fl_compiled* compiled) {
  return guarded([&] { fl::compiler::store(fl::compiler::cache_folder(folder), *compiled); });
}
