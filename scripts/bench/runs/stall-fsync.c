/*
 * A disk that stalls on demand, for LD_PRELOAD: cc -shared -fPIC -o stall-fsync.so stall-fsync.c -ldl
 * Whenever the file that STALL_FILE names is there, one sync removes it and then takes 2 s longer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void stall_if_wanted(void) {
  const char *file = getenv("STALL_FILE");
  int before = errno;
  if (file && unlink(file) == 0) {
    struct timespec rest = {2, 0};
    while (nanosleep(&rest, &rest) != 0) {
    }
  }
  errno = before;
}

int fsync(int file) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  stall_if_wanted();
  return real(file);
}

int fdatasync(int file) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  stall_if_wanted();
  return real(file);
}
