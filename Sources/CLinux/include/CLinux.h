// The Linux calls that Swift's Glibc module leaves out.
#ifndef SHEEP_CLINUX_H
#define SHEEP_CLINUX_H

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

// accept4 and SOCK_* flags need _GNU_SOURCE, which must not be defined in a header that Swift imports.
int sheep_accept(int listener);

// Cores that this process may use, at least 1: sched_getaffinity is hidden without _GNU_SOURCE.
int sheep_cores(void);

// pipe2 with O_CLOEXEC and O_NONBLOCK at the reading end, hidden likewise.
int sheep_pipe(int ends[2]);

// posix_spawn_file_actions_addclosefrom_np, hidden likewise: the child closes all descriptors from `first` on.
int sheep_close_from(posix_spawn_file_actions_t *actions, int first);

// From here on a signal that is the program's own fault (SIGSEGV, a trap of Swift's) is told on standard error before it
// ends the process.
void sheep_tell_of_crashes(void);

// posix_spawn by way of a process between the program and us, in which `between` waits for it and ends as it ends. Once that
// one is killed, the program is a child of init's, or of whoever adopts orphans. Returns 0 or an error's number.
int sheep_spawn_by_another(pid_t *between, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]);

// pthread_setname_np, hidden likewise. At most 15 bytes.
int sheep_name_thread(pthread_t thread, const char *name);

#endif
