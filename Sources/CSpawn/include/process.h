#ifndef U2PL_PROCESS_H
#define U2PL_PROCESS_H

#include <sys/types.h>

/// Starts a program in a process group of its own, so that Ctrl-C at a terminal reaches whoever supervises it and not the
/// program; with every signal but SIGXFSZ at its default, /dev/null as its input, and its output going to `out` and
/// `err`. It is sent SIGKILL when the thread that calls this ends: nothing of it may outlive a supervisor that was
/// killed.
///
/// Foundation's Process sets neither group nor that signal, and takes a program for running as long as anything does that
/// the program has started.
///
/// Returns the process id, or minus errno where it cannot be started.
pid_t u2pl_spawn(char *const argv[], char *const environment[], int out, int err);

/// Has this process killed when its parent ends. For
/// ranks: those of an mpirun that was killed would compute on and write into the run directory of those that follow.
void u2pl_die_with_parent(void);

/// Waits until one of `count` descriptors has something to read, or `milliseconds` have passed. Negative ones are passed
/// over. A signal ends the wait too.
void u2pl_wait_readable(const int *descriptors, int count, int milliseconds);

/// Takes note of a child that has ended: 1 and its status where it has, 0 where it runs, -1 where there is none.
int u2pl_reap(pid_t process, int *exit_code, int *signal_number);

/// Whether this machine has the address that `name` resolves to.
int u2pl_is_own_address(const char *name);

/// Lets this process run on the cores its parent may run on. Where OMP_PLACES or the like is set, libgomp has bound it to
/// a few of them when it was loaded, and whatever it starts would inherit that.
void u2pl_unbind(void);

/// Makes a pipe that no program started meanwhile inherits; its reading end does not block. 0 or -1 with errno.
int u2pl_pipe(int ends[2]);

#endif
