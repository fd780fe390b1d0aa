#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// Between fork and exec nothing but async-signal-safe calls: other threads may hold locks.
static void become(char *const argv[], char *const environment[], int out, int err, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  struct sigaction action = {.sa_handler = SIG_DFL};
  // But for the one of files that may grow no further: mpirun would end by it, without a word.
  for (int number = 1; number < NSIG; number++)
    if (number != SIGXFSZ) sigaction(number, &action, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) return;
  if (null > 2) close(null);
  execvpe(argv[0], argv, environment);
}

pid_t u2pl_spawn(char *const argv[], char *const environment[], int out, int err) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  pid_t parent = getpid(), process = fork();
  if (process == 0) {
    become(argv, environment, out, err, parent);
    int code = errno;
    ssize_t ignored = write(report[1], &code, sizeof code);
    (void)ignored;
    _exit(127);
  }
  int code = process < 0 ? errno : 0;
  close(report[1]);
  if (process > 0) {
    setpgid(process, process);  // also here: a signal may be sent to the group before the child has come that far
    ssize_t got;
    while ((got = read(report[0], &code, sizeof code)) < 0 && errno == EINTR) {}
    if (got == sizeof code) {
      waitpid(process, NULL, 0);
    } else {
      code = 0;
    }
  }
  close(report[0]);
  return code ? -code : process;
}

void u2pl_die_with_parent(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before. Where orphans go to another than process 1 (a subreaper), this is not noticed
  // here: the rank is found by the run's mark before the next attempt.
  if (getppid() == 1) _exit(137);
}

void u2pl_wait_readable(const int *descriptors, int count, int milliseconds) {
  struct pollfd *polled = calloc(count > 0 ? count : 1, sizeof *polled);
  if (!polled) return;
  for (int i = 0; i < count; i++) polled[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
  poll(polled, count, milliseconds);
  free(polled);
}

int u2pl_reap(pid_t process, int *exit_code, int *signal_number) {
  int status;
  pid_t found;
  while ((found = waitpid(process, &status, WNOHANG)) < 0 && errno == EINTR) {}
  if (found == 0) return 0;
  if (found < 0) return -1;
  *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return 1;
}

int u2pl_is_own_address(const char *name) {
  struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
  if (getaddrinfo(name, NULL, &hints, &found) != 0) return 0;
  int own = 0;
  for (struct addrinfo *each = found; each && !own; each = each->ai_next) {
    int descriptor = socket(each->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    own = bind(descriptor, each->ai_addr, each->ai_addrlen) == 0;
    close(descriptor);
  }
  freeaddrinfo(found);
  return own;
}

void u2pl_unbind(void) {
  cpu_set_t cores;
  if (sched_getaffinity(getppid(), sizeof cores, &cores) == 0) sched_setaffinity(0, sizeof cores, &cores);
}

int u2pl_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}
