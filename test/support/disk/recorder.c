/*
 * A disk under observation: a library for LD_PRELOAD that writes down, in order, what a process asks of the files below one
 * folder, and what it answers over its sockets, and that makes the disk fail when it is told to.
 *
 *   DISK_ROOT     the folder, absolute, without a slash at its end
 *   DISK_JOURNAL  where the records go (none: nothing is recorded, and syncs are real)
 *   DISK_FAULTS   a file of eight 64-bit numbers, shared with who makes the faults (enum fault below)
 *
 * A record is a `struct head` and two strings of the lengths that it says (journal.ts reads them).
 * Files are told apart by their inode number. SQLite's -shm is shared memory and not recorded: a restart makes it anew.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum fault { SYNC_DELAY_US, SYNCS_TO_PASS, SYNCS_TO_FAIL, CHANGE_ERRNO, FAILED, READ_ERRNO, FAULTS = 8 };

static volatile int64_t no_faults[FAULTS];
static volatile int64_t *faults = no_faults;
static int journal = -1;
static char root[PATH_MAX];
static size_t root_length;
static pthread_mutex_t journal_lock = PTHREAD_MUTEX_INITIALIZER;

enum what { ELSEWHERE, A_FILE, A_FOLDER };
#define MOST_FDS 65536
static unsigned char fds[MOST_FDS];

#define NEXT(name)                                                        \
  ({                                                                      \
    static __typeof__(&name) next_;                                       \
    if (next_ == NULL) next_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    next_;                                                                \
  })

struct head {
  char kind;
  uint64_t file;
  int64_t at;
  uint32_t first, second;
} __attribute__((packed));

static void record(char kind, uint64_t file, int64_t at, const void *first, size_t first_length, const void *second,
                   size_t second_length) {
  if (journal < 0) return;
  int kept = errno;
  struct head head = {kind, file, at, (uint32_t)first_length, (uint32_t)second_length};
  struct iovec parts[] = {
      {&head, sizeof head}, {(void *)first, first_length}, {(void *)second, second_length}};
  pthread_mutex_lock(&journal_lock);
  ssize_t written = NEXT(writev)(journal, parts, 3);
  pthread_mutex_unlock(&journal_lock);
  if (written != (ssize_t)(sizeof head + first_length + second_length)) abort();
  errno = kept;
}

static void record_name(char kind, uint64_t file, const char *path) {
  record(kind, file, 0, path, strlen(path), NULL, 0);
}

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("DISK_ROOT");
  if (folder == NULL) return;
  snprintf(root, sizeof root, "%s", folder);
  root_length = strlen(root);
  const char *shared = getenv("DISK_FAULTS");
  if (shared != NULL) {
    int fd = NEXT(open)(shared, O_RDWR | O_CLOEXEC);
    void *memory = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) faults = memory;
    if (fd >= 0) NEXT(close)(fd);
  }
  const char *path = getenv("DISK_JOURNAL");
  if (path != NULL) journal = NEXT(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_below(const char *path) {
  return root_length > 0 && path != NULL && strncmp(path, root, root_length) == 0 &&
         (path[root_length] == '/' || path[root_length] == '\0');
}

static int fails(enum fault number) {
  if (faults[number] == 0) return 0;
  __sync_add_and_fetch(&faults[FAILED], 1);
  errno = (int)faults[number];
  return 1;
}

/* Whether a change fails by order. */
static int is_refused(void) { return fails(CHANGE_ERRNO); }

static uint64_t number_of(int fd) {
  struct stat found;
  return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

/* libuv closes files by syscall(2), which is not seen here: the number may be a socket's by now. */
static int is_file(int fd) {
  if (fd < 0 || fd >= MOST_FDS || fds[fd] != A_FILE) return 0;
  int kept = errno;
  struct stat found;
  if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) fds[fd] = ELSEWHERE;
  errno = kept;
  return fds[fd] == A_FILE;
}

static int opened(int fd, const char *path, int flags, int was_there) {
  if (fd < 0 || fd >= MOST_FDS) return fd;
  int kept = errno;
  struct stat found;
  fds[fd] = ELSEWHERE;
  if (is_below(path) && fstat(fd, &found) == 0) {
    if (S_ISDIR(found.st_mode)) fds[fd] = A_FOLDER;
    if (S_ISREG(found.st_mode) && strstr(path, "-shm") == NULL) {
      fds[fd] = A_FILE;
      if (!was_there) record_name('c', found.st_ino, path);
      else if (flags & O_TRUNC) record('t', found.st_ino, 0, NULL, 0, NULL, 0);
    }
  }
  errno = kept;
  return fd;
}

static int changes(const char *path, int flags) {
  return is_below(path) && (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
}

#define DEFINE_OPEN(name)                                       \
  int name(const char *path, int flags, ...) {                  \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    mode_t mode = va_arg(rest, mode_t);                         \
    va_end(rest);                                               \
    if (changes(path, flags) && is_refused()) return -1;        \
    int was_there = is_below(path) && access(path, F_OK) == 0;  \
    return opened(NEXT(name)(path, flags, mode), path, flags, was_there); \
  }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name)                                     \
  int name(int folder, const char *path, int flags, ...) {      \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    mode_t mode = va_arg(rest, mode_t);                         \
    va_end(rest);                                               \
    if (changes(path, flags) && is_refused()) return -1;        \
    int was_there = is_below(path) && access(path, F_OK) == 0;  \
    return opened(NEXT(name)(folder, path, flags, mode), path, flags, was_there); \
  }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int close(int fd) {
  if (fd >= 0 && fd == journal) {
    errno = EBADF; /* whoever closes everything at a fork does not close this */
    return -1;
  }
  if (fd >= 0 && fd < MOST_FDS) fds[fd] = ELSEWHERE;
  return NEXT(close)(fd);
}

/* A second descriptor of an open file. Rust's File::try_clone, and so Deno, works with such ones. */
static int doubled(int fd, int second) {
  if (fd >= 0 && fd < MOST_FDS && second >= 0 && second < MOST_FDS) fds[second] = fds[fd];
  return second;
}
int dup(int fd) { return doubled(fd, NEXT(dup)(fd)); }
int dup2(int fd, int second) { return doubled(fd, NEXT(dup2)(fd, second)); }
int dup3(int fd, int second, int flags) { return doubled(fd, NEXT(dup3)(fd, second, flags)); }

#define DEFINE_FCNTL(name)                                                              \
  int name(int fd, int command, ...) {                                                  \
    va_list rest;                                                                       \
    va_start(rest, command);                                                            \
    void *argument = va_arg(rest, void *);                                              \
    va_end(rest);                                                                       \
    int answer = NEXT(name)(fd, command, argument);                                     \
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? doubled(fd, answer) : answer; \
  }
DEFINE_FCNTL(fcntl)
DEFINE_FCNTL(fcntl64)

static void wrote(int fd, off_t at, const void *bytes, ssize_t length) {
  if (length > 0) record('w', number_of(fd), at, NULL, 0, bytes, (size_t)length);
}

static void wrote_parts(int fd, off_t at, const struct iovec *parts, int count, ssize_t length) {
  for (int i = 0; i < count && length > 0; i++) {
    ssize_t part = (ssize_t)parts[i].iov_len < length ? (ssize_t)parts[i].iov_len : length;
    wrote(fd, at, parts[i].iov_base, part);
    at += part;
    length -= part;
  }
}

/* An answer that begins with success leaves the process: whatever it acknowledges must be safe by now. */
static void answered(int fd, const void *bytes, size_t length) {
  static const char success[] = "HTTP/1.1 200";
  if (journal < 0 || fd == journal || length < sizeof success || length > 1 << 16) return;
  if (memcmp(bytes, success, sizeof success - 1) == 0) record('a', 0, 0, NULL, 0, bytes, length);
}

static void answered_parts(int fd, const struct iovec *parts, size_t count) {
  char text[1 << 16];
  size_t length = 0;
  for (size_t i = 0; i < count && length + parts[i].iov_len <= sizeof text; i++) {
    memcpy(text + length, parts[i].iov_base, parts[i].iov_len);
    length += parts[i].iov_len;
  }
  answered(fd, text, length);
}

ssize_t read(int fd, void *bytes, size_t length) {
  if (is_file(fd) && fails(READ_ERRNO)) return -1;
  return NEXT(read)(fd, bytes, length);
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
  if (is_file(fd) && fails(READ_ERRNO)) return -1;
  return NEXT(readv)(fd, parts, count);
}

#define DEFINE_PREAD(name, offset)                              \
  ssize_t name(int fd, void *bytes, size_t length, offset at) { \
    if (is_file(fd) && fails(READ_ERRNO)) return -1;            \
    return NEXT(name)(fd, bytes, length, at);                   \
  }
DEFINE_PREAD(pread, off_t)
DEFINE_PREAD(pread64, off64_t)

#define DEFINE_PREADV(name, offset)                                      \
  ssize_t name(int fd, const struct iovec *parts, int count, offset at) { \
    if (is_file(fd) && fails(READ_ERRNO)) return -1;                     \
    return NEXT(name)(fd, parts, count, at);                             \
  }
DEFINE_PREADV(preadv, off_t)
DEFINE_PREADV(preadv64, off64_t)

ssize_t write(int fd, const void *bytes, size_t length) {
  if (!is_file(fd)) {
    answered(fd, bytes, length);
    return NEXT(write)(fd, bytes, length);
  }
  if (is_refused()) return -1;
  off_t at = lseek(fd, 0, (fcntl(fd, F_GETFL) & O_APPEND) ? SEEK_END : SEEK_CUR);
  ssize_t done = NEXT(write)(fd, bytes, length);
  wrote(fd, at, bytes, done);
  return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!is_file(fd)) {
    if (fd != journal) answered_parts(fd, parts, (size_t)count);
    return NEXT(writev)(fd, parts, count);
  }
  if (is_refused()) return -1;
  off_t at = lseek(fd, 0, (fcntl(fd, F_GETFL) & O_APPEND) ? SEEK_END : SEEK_CUR);
  ssize_t done = NEXT(writev)(fd, parts, count);
  wrote_parts(fd, at, parts, count, done);
  return done;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  answered_parts(fd, message->msg_iov, message->msg_iovlen);
  return NEXT(sendmsg)(fd, message, flags);
}

#define DEFINE_PWRITE(name, offset)                                      \
  ssize_t name(int fd, const void *bytes, size_t length, offset at) {    \
    if (is_file(fd) && is_refused()) return -1;                          \
    ssize_t done = NEXT(name)(fd, bytes, length, at);                    \
    if (is_file(fd)) wrote(fd, at, bytes, done);                         \
    return done;                                                         \
  }
DEFINE_PWRITE(pwrite, off_t)
DEFINE_PWRITE(pwrite64, off64_t)

#define DEFINE_PWRITEV(name, offset)                                        \
  ssize_t name(int fd, const struct iovec *parts, int count, offset at) {   \
    if (is_file(fd) && is_refused()) return -1;                             \
    ssize_t done = NEXT(name)(fd, parts, count, at);                        \
    if (is_file(fd)) wrote_parts(fd, at, parts, count, done);               \
    return done;                                                            \
  }
DEFINE_PWRITEV(pwritev, off_t)
DEFINE_PWRITEV(pwritev64, off64_t)

#define DEFINE_TRUNCATE(name, offset)                                       \
  int name(int fd, offset length) {                                         \
    if (is_file(fd) && is_refused()) return -1;                             \
    int failed = NEXT(name)(fd, length);                                    \
    if (failed == 0 && is_file(fd)) record('t', number_of(fd), length, NULL, 0, NULL, 0); \
    return failed;                                                          \
  }
DEFINE_TRUNCATE(ftruncate, off_t)
DEFINE_TRUNCATE(ftruncate64, off64_t)

/* Room for later writes; what is not written reads as zeros, as a longer file does. */
#define DEFINE_ALLOCATE(name, offset)                                       \
  int name(int fd, offset at, offset length) {                              \
    if (is_file(fd) && is_refused()) return (int)faults[CHANGE_ERRNO];      \
    int failed = NEXT(name)(fd, at, length);                                \
    struct stat found;                                                      \
    if (failed == 0 && is_file(fd) && fstat(fd, &found) == 0)               \
      record('t', found.st_ino, found.st_size, NULL, 0, NULL, 0);           \
    return failed;                                                          \
  }
DEFINE_ALLOCATE(posix_fallocate, off_t)
DEFINE_ALLOCATE(posix_fallocate64, off64_t)

static int synced(int fd, int (*really)(int)) {
  if (fd < 0 || fd >= MOST_FDS || fds[fd] == ELSEWHERE) return really(fd);
  /* In small steps: a delay that is taken back ends. */
  for (int64_t waited = 0; waited < faults[SYNC_DELAY_US]; waited += 1000) {
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
  }
  if (fds[fd] == A_FILE && faults[SYNCS_TO_FAIL] > 0) {
    if (faults[SYNCS_TO_PASS] > 0) __sync_sub_and_fetch(&faults[SYNCS_TO_PASS], 1);
    else {
      __sync_sub_and_fetch(&faults[SYNCS_TO_FAIL], 1);
      __sync_add_and_fetch(&faults[FAILED], 1);
      record('e', number_of(fd), 0, NULL, 0, NULL, 0);
      errno = EIO;
      return -1;
    }
  }
  /* The journal stands for the disk: while it is kept nothing has to reach a real one. */
  int failed = journal >= 0 ? 0 : really(fd);
  if (failed == 0 && fds[fd] == A_FILE) record('s', number_of(fd), 0, NULL, 0, NULL, 0);
  if (failed == 0 && fds[fd] == A_FOLDER) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    if (length > 0) record('d', 0, 0, path, (size_t)length, NULL, 0);
  }
  return failed;
}
int fsync(int fd) { return synced(fd, NEXT(fsync)); }
int fdatasync(int fd) { return synced(fd, NEXT(fdatasync)); }

#define DEFINE_NAMES(name, kind)                                            \
  int name(const char *from, const char *to) {                              \
    int ours = is_below(from) || is_below(to);                              \
    if (ours && is_refused()) return -1;                                    \
    int failed = NEXT(name)(from, to);                                      \
    if (failed == 0 && ours) record(kind, 0, 0, from, strlen(from), to, strlen(to)); \
    return failed;                                                          \
  }
DEFINE_NAMES(rename, 'r')
DEFINE_NAMES(link, 'l')

/* Rust links by linkat(2). Paths are absolute here, so the folders do not matter. */
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
  int ours = is_below(from) || is_below(to);
  if (ours && is_refused()) return -1;
  int failed = NEXT(linkat)(from_folder, from, to_folder, to, flags);
  if (failed == 0 && ours) record('l', 0, 0, from, strlen(from), to, strlen(to));
  return failed;
}

#define DEFINE_NAME(name, kind, parameters, arguments)     \
  int name parameters {                                    \
    if (is_below(path) && is_refused()) return -1;         \
    int failed = NEXT(name) arguments;                     \
    if (failed == 0 && is_below(path)) record_name(kind, 0, path); \
    return failed;                                         \
  }
DEFINE_NAME(unlink, 'u', (const char *path), (path))
DEFINE_NAME(mkdir, 'm', (const char *path, mode_t mode), (path, mode))
DEFINE_NAME(rmdir, 'x', (const char *path), (path))
