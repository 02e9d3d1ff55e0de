#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct report {
  int error;
  pid_t pid;
};

// Waits for the program, and ends as it ended. Holds none of our descriptors: what we close is to be closed.
static _Noreturn void stand_between(pid_t pid) {
  close_range(0, UINT_MAX, 0);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) {
    sigset_t all;
    sigfillset(&all);
    signal(WTERMSIG(status), SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    raise(WTERMSIG(status));
  }
  _exit(WEXITSTATUS(status));
}

int sheep_spawn_by_another(pid_t *between, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  // Other threads may hold any lock at this moment: from here the new process only makes calls that take none (fork(2)).
  *between = _Fork();
  if (*between < 0) {
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return error;
  }
  if (*between == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct report report = {0, 0};
    report.error = posix_spawn(&report.pid, path, actions, attributes, arguments, environment);
    if (write(ends[1], &report, sizeof report) != sizeof report || report.error != 0) _exit(127);
    stand_between(report.pid);
  }
  close(ends[1]);
  struct report report = {ECHILD, 0};
  while (read(ends[0], &report, sizeof report) < 0 && errno == EINTR) continue;
  close(ends[0]);
  if (report.error != 0) waitpid(*between, NULL, 0);
  *pid = report.pid;
  return report.error;
}
