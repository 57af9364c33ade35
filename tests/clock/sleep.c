/* libfaketime takes the deadline of a sleep for one of its own clock, though the monotonic clock is left as it
   is, and Python's time.sleep fails with EINVAL. Loaded before it, this hands the sleep to the kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) == 0 ? 0 : errno;
}
