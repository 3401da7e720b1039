#include <gtest/gtest.h>
#include "compiler/ttir/parser.h"
#include "compiler/ttir/printer.h"
#include "compiler/ttir/verifier.h"
#include <fstream>
#include <sstream>
#include <filesystem>
TEST(X, Corpus) {
  for (auto& e : std::filesystem::directory_iterator(getenv("CORPUS"))) {
    std::ifstream f(e.path()); std::stringstream s; s << f.rdbuf(); std::string t = s.str();
    try { auto m = fl::ttir::parse(t); fl::ttir::verify(*m); auto p = fl::ttir::print(*m); auto m2 = fl::ttir::parse(p); fl::ttir::verify(*m2); EXPECT_EQ(fl::ttir::print(*m2), p); }
    catch (std::exception& x) { ADD_FAILURE() << e.path() << ": " << x.what(); }
  }
}
