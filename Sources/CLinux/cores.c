#include "CLinux.h"

#include <sched.h>
#include <unistd.h>

int sheep_cores(void) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
  long online = sysconf(_SC_NPROCESSORS_ONLN);  // more than CPU_SETSIZE cores: the call above fails with EINVAL
  return online > 0 ? (int)online : 1;
}
