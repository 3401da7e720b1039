#include "routing/conf_file.h"

#include "fake_adapter.h"

namespace fl::routing {
namespace {

TEST(ConfFile, includes_are_textual) {
  const Folder folder;
  const std::string main = folder.write("a.conf", "mm = cpu\ninclude sub/b.conf\nbmm = cpu\n");
  folder.write("sub/b.conf", "add = cpu\n[sim]\ninclude c.conf\n");
  folder.write("sub/c.conf", "mul = cpu\n");
  const Conf conf = read_conf(main, {}, read_conf_file);
  EXPECT_EQ(conf.files, (std::vector<std::string>{main, folder.path("sub/b.conf"), folder.path("sub/c.conf")}));
  ASSERT_EQ(conf.lines.size(), 4u);
  EXPECT_EQ(conf.lines[1].at.file, folder.path("sub/b.conf"));
  EXPECT_EQ(conf.lines[1].at.line, 1);
  EXPECT_EQ(conf.lines[2].section, "sim");
  EXPECT_EQ(conf.lines[3].pattern.text, "bmm");
  EXPECT_EQ(conf.lines[3].section, "sim") << "a section of an included file goes on behind the include";
}

TEST(ConfFile, a_file_may_be_included_twice_but_not_by_itself) {
  const Folder folder;
  const std::string main = folder.write("a.conf", "include b.conf\ninclude ./b.conf\n");
  folder.write("b.conf", "mm = cpu\n");
  EXPECT_EQ(read_conf(main, {}, read_conf_file).lines.size(), 2u);
  folder.write("b.conf", "mm = cpu\n\n  include a.conf\n");
  EXPECT_EQ(error_of([&] { read_conf(main, {}, read_conf_file); }),
            folder.path("b.conf") + ":3:11: 'a.conf' includes itself, directly or through others. Remove this line.");
}

TEST(ConfFile, a_missing_include_names_the_line_and_the_places) {
  const Folder folder;
  const std::string main = folder.write("a.conf", "include gone.conf\n");
  const std::string error = error_of([&] { read_conf(main, {"/nowhere"}, read_conf_file); });
  EXPECT_EQ(error.substr(0, main.size() + 6), main + ":1:9: ");
  EXPECT_NE(error.find("/nowhere"), std::string::npos) << error;
}

TEST(ConfFile, errors_inside_an_included_file_name_that_file) {
  const Folder folder;
  const std::string main = folder.write("a.conf", "include b.conf\n");
  folder.write("b.conf", "\nmm\n");
  EXPECT_EQ(error_of([&] { read_conf(main, {}, read_conf_file); }).substr(0, folder.path("b.conf").size() + 6),
            folder.path("b.conf") + ":2:3: ");
}

TEST(ConfFile, includes_that_go_too_deep_or_are_too_many_stop) {
  // Files that exist only here: each includes the next one, or the next one twice.
  const auto deep = [](const std::string& path) -> std::optional<std::string> { return "include " + path + "x\n"; };
  EXPECT_NE(error_of([&] { read_conf("/a", {}, deep); }).find("nested more than 16 deep"), std::string::npos);
  const auto doubling = [](const std::string& path) -> std::optional<std::string> {
    return path.size() > 12 ? "mm = cpu\n" : "include " + path + "x\ninclude " + path + "y\n";
  };
  EXPECT_NE(error_of([&] { read_conf("/a", {}, doubling); }).find("more than 256 files"), std::string::npos);
}

TEST(ConfFile, folders_devices_and_huge_files_are_refused) {
  const Folder folder;
  const std::string main = folder.write("a.conf", "include .\n");
  EXPECT_NE(error_of([&] { read_conf(main, {}, read_conf_file); }).find(":1:9: "), std::string::npos);
  EXPECT_NE(error_of([] { read_conf_file("/dev/zero"); }).find("is not a regular file"), std::string::npos);
  const std::string huge = folder.write("huge.conf", std::string(kConfSizeLimit + 1, '#'));
  EXPECT_NE(error_of([&] { read_conf_file(huge); }).find("larger than 1048576 bytes"), std::string::npos);
  EXPECT_EQ(read_conf_file(folder.write("full.conf", std::string(kConfSizeLimit, '#')))->size(), kConfSizeLimit);
  EXPECT_FALSE(read_conf_file(folder.path("gone.conf")).has_value());
}

TEST(ConfFile, the_first_folder_that_has_the_file_wins) {
  const Folder folder;
  folder.write("one/a.conf", "");
  folder.write("two/a.conf", "");
  EXPECT_EQ(find_conf_file("a.conf", {folder.path("zero"), folder.path("two"), folder.path("one")}, read_conf_file),
            folder.path("two/a.conf"));
  EXPECT_EQ(find_conf_file(folder.path("one/a.conf"), {}, read_conf_file), folder.path("one/a.conf"));
  EXPECT_FALSE(find_conf_file("b.conf", {folder.path("one")}, read_conf_file).has_value());
}

}  // namespace
}  // namespace fl::routing
