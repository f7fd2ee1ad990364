// Files that are whole or absent, and every way in which storage refuses.
#include "io/atomic_file.hpp"

#include <sys/stat.h>

#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(WriteFile, WritesReplacesAndLeavesNothingElse) {
  const TempFolder folder;
  write_file(folder / "a", "one");
  EXPECT_EQ(bytes_of_file(folder / "a"), "one");
  write_file(folder / "a", "");
  EXPECT_EQ(bytes_of_file(folder / "a"), "");
  write_file(folder / "a", std::string("\0two\n", 5));
  EXPECT_EQ(bytes_of_file(folder / "a"), std::string("\0two\n", 5));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(WriteFile, OnAFullDiskKeepsTheOldContent) {
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  write_file(disk.path() + "/a", "old");
  const std::string message =
      error_of(ExitCode::storage, [&] { write_file(disk.path() + "/a", std::string(100000, 'x')); });
  EXPECT_THAT(message, AllOf(HasSubstr(disk.path() + "/a"), HasSubstr("No space left on device")));
  EXPECT_EQ(bytes_of_file(disk.path() + "/a"), "old");
  EXPECT_THAT(names_in(disk.path()), ElementsAre("a"));
}

TEST(WriteFile, OnAReadOnlyDisk) {
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  disk.make_read_only();
  const std::string message = error_of(ExitCode::storage, [&] { write_file(disk.path() + "/a", "x"); });
  EXPECT_THAT(message, AllOf(HasSubstr(disk.path() + "/a"), HasSubstr("Read-only file system")));
}

TEST(WriteFile, UnderAFile) {
  const TempFolder folder;
  write_file(folder / "a", "mine");
  const std::string message = error_of(ExitCode::storage, [&] { write_file(folder / "a/b", "x"); });
  EXPECT_THAT(message, AllOf(HasSubstr(folder / "a/b"), HasSubstr("Not a directory")));
  EXPECT_EQ(bytes_of_file(folder / "a"), "mine");
}

TEST(WriteFile, InAFolderThatIsNotThere) {
  const TempFolder folder;
  EXPECT_THAT(error_of(ExitCode::storage, [&] { write_file(folder / "no/b", "x"); }),
              AllOf(HasSubstr(folder / "no/b"), HasSubstr("No such file or directory")));
}

TEST(WriteFile, OverAFolderLeavesNothing) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "a");
  EXPECT_THAT(error_of(ExitCode::storage, [&] { write_file(folder / "a", "x"); }),
              AllOf(HasSubstr(folder / "a"), HasSubstr("Is a directory")));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(WriteFile, WithoutPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "permissions do not stop root";
  const TempFolder folder;
  chmod(folder.path().c_str(), 0500);
  EXPECT_THAT(error_of(ExitCode::storage, [&] { write_file(folder / "a", "x"); }), HasSubstr("Permission denied"));
  chmod(folder.path().c_str(), 0700);
}

TEST(WriteFile, BeyondTheFileSizeLimitIsAnErrorAndNotASignal) {
  const TempFolder folder;
  std::string message;
  {
    const FileSizeLimit limit(10000);
    message = error_of(ExitCode::storage, [&] { write_file(folder / "a", std::string(20000, 'x')); });
  }
  EXPECT_THAT(message, AllOf(HasSubstr(folder / "a"), HasSubstr("File too large"), HasSubstr("ulimit -f")));
  EXPECT_THAT(names_in(folder.path()), IsEmpty());
}

TEST(ShardWriter, BeyondTheFileSizeLimitIsAnErrorAndNotASignal) {
  const TempFolder folder;
  std::string message;
  {
    const FileSizeLimit limit(10000);
    message = error_of(ExitCode::storage, [&] { write_made_up(folder.path(), {.samples = 1000}); });
  }
  EXPECT_THAT(message, AllOf(HasSubstr(folder / "part-0.h5"), HasSubstr("ulimit -f")));
  EXPECT_THAT(names_in(folder.path()), IsEmpty());
}

TEST(CommitFile, RemovesTheTemporaryWhenItCannotBeNamed) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "a");
  const std::string temporary = temporary_beside(folder / "a");
  write_bytes(temporary, "x");
  error_of(ExitCode::storage, [&] { commit_file(temporary, folder / "a"); });
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(TemporaryBeside, IsHiddenAndInTheSameFolder) {
  EXPECT_EQ(temporary_beside("/x/y/step-1.h5"), "/x/y/.step-1.h5.tmp-" + std::to_string(getpid()));
  EXPECT_EQ(temporary_beside("a"), "./.a.tmp-" + std::to_string(getpid()));
}

TEST(RemoveStaleTemporaries, TakesOnlyThoseOfDeadProcessesWithThePrefix) {
  const TempFolder folder;
  const std::string own = ".step-2.h5.tmp-" + std::to_string(getpid());
  for (const std::string& name : {std::string(".step-1.h5.tmp-1"), own, std::string(".other.tmp-1"),
                                  std::string("step-1.h5"), std::string(".step-1.h5.tmp-"), std::string(".step-9")}) {
    write_bytes(folder / name, "x");
  }
  remove_stale_temporaries(folder.path(), "step-");
  EXPECT_THAT(names_in(folder.path()),
              testing::UnorderedElementsAre(own, ".other.tmp-1", "step-1.h5", ".step-1.h5.tmp-", ".step-9"));
  remove_stale_temporaries(folder / "nowhere", "step-");
}

TEST(MakeWritableFolder, MakesParentsAndLeavesItEmpty) {
  const TempFolder folder;
  make_writable_folder(folder / "a/b/c");
  make_writable_folder(folder / "a/b/c");
  EXPECT_THAT(names_in(folder / "a/b/c"), IsEmpty());
}

TEST(MakeWritableFolder, RefusesAFileInItsPlace) {
  const TempFolder folder;
  write_bytes(folder / "a", "mine");
  EXPECT_THAT(error_of(ExitCode::storage, [&] { make_writable_folder(folder / "a"); }),
              AllOf(HasSubstr(folder / "a"), HasSubstr("Not a directory")));
  EXPECT_THAT(error_of(ExitCode::storage, [&] { make_writable_folder(folder / "a/b"); }), HasSubstr(folder / "a/b"));
  EXPECT_EQ(bytes_of_file(folder / "a"), "mine");
}

TEST(MakeWritableFolder, RefusesTooLowAFileSizeLimit) {
  const TempFolder folder;
  const FileSizeLimit limit(1024);
  EXPECT_THAT(error_of(ExitCode::storage, [&] { make_writable_folder(folder / "a"); }),
              AllOf(HasSubstr(folder / "a"), HasSubstr("ulimit -f")));
}

TEST(MakeWritableFolder, RefusesAFullDisk) {
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  disk.fill();
  EXPECT_THAT(error_of(ExitCode::storage, [&] { make_writable_folder(disk.path()); }),
              AllOf(HasSubstr(disk.path()), HasSubstr("No space left on device")));
  EXPECT_THAT(names_in(disk.path()), ElementsAre("filler"));
}

TEST(MakeWritableFolder, RefusesAReadOnlyDisk) {
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  disk.make_read_only();
  for (const std::string& path : {disk.path(), disk.path() + "/new"}) {
    EXPECT_THAT(error_of(ExitCode::storage, [&] { make_writable_folder(path); }),
                AllOf(HasSubstr(path), HasSubstr("Read-only file system")));
  }
}

}  // namespace
}  // namespace convoy
