/* Programs whose output is read: of --from-command, of --password-command. */
#include "tool.h"

#include <sys/prctl.h>
#include <sys/wait.h>

/*
 * On a terminal in front of somebody the child stays in the tool's process group: the keys that
 * interrupt reach both, and it may ask for a password. Anywhere else it has a group of its own, so
 * that whatever it has started can be ended with it.
 */
static bool is_in_front(void)
{
    const int tty = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    const bool is = tty >= 0 && tcgetpgrp(tty) == getpgrp();

    if (tty >= 0)
        close(tty);
    return is;
}

/* In the child, becomes the command. What the tool itself ignores is as usual for it. It ends with the tool, even where
   that is killed. Gives why it cannot be. */
static int become(char *const *command, int out, bool own_group, pid_t parent)
{
    const int in = open("/dev/null", O_RDONLY);

    if (own_group)
        setpgid(0, 0);
    signal(SIGXFSZ, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it has ended before that could be heard of */
        _exit(1);
    if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        return errno;
    if (in != STDIN_FILENO)
        close(in);
    execvp(command[0], command);
    return errno;
}

/* Gives 0, or the error number for which the command could not be started: the child sends it through a pipe, which
   closes by itself when the command takes the child's place. */
static int spawn(char *const *command, int out, bool own_group, pid_t *pid)
{
    const pid_t parent = getpid();
    int ends[2], error = 0;
    ssize_t len;

    if (pipe(ends) != 0)
        return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fflush(stdout); /* the child has no copy of what is not written yet */
    *pid = fork();
    if (*pid == 0) {
        error = become(command, out, own_group, parent);
        len = write(ends[1], &error, sizeof error);
        _exit(len == (ssize_t)sizeof error ? 127 : 1);
    }
    if (*pid < 0)
        error = errno;
    close(ends[1]);
    if (*pid > 0) {
        len = read_some(ends[0], &error, sizeof error);
        if (len > 0)
            waitpid(*pid, NULL, 0);
    }
    close(ends[0]);
    return error;
}

int start_child(char *const *command, struct child *child)
{
    int ends[2], error;

    child->name = command[0];
    child->own_group = !is_in_front();
    if (pipe(ends) != 0)
        return fail_errno(child->name);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    error = spawn(command, ends[1], child->own_group, &child->pid);
    close(ends[1]);
    child->out = ends[0];
    if (error == 0)
        return 0;
    close(ends[0]);
    errno = error;
    return fail_errno(child->name);
}

/* Waits for the child for so many milliseconds, and gives whether it has ended. */
static bool ends_within(const struct child *child, int ms, int *status)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    for (; waitpid(child->pid, status, WNOHANG) == 0; ms -= 10) {
        if (ms <= 0)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Ends it, and what it has started; whoever does not listen is killed. */
static void stop_child(const struct child *child, int *status)
{
    const pid_t whom = child->own_group ? -child->pid : child->pid;

    kill(whom, SIGTERM);
    if (ends_within(child, 3000, status))
        return;
    kill(whom, SIGKILL);
    while (waitpid(child->pid, status, 0) < 0 && errno == EINTR)
        ;
}

/* Says how it has ended, if not well. Gives the exit status. */
static int judge_end(const struct child *child, int status)
{
    if (WIFSIGNALED(status))
        say("%s: ended by signal %d (%s)", child->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        say("%s: ended with exit status %d", child->name, WEXITSTATUS(status));
    return status == 0 ? 0 : 1;
}

int end_child(const struct child *child, bool is_wanted)
{
    bool stopped = false;
    int status = 0;

    close(child->out);
    /* One that nobody listens to any more has a second to end by itself, or to tell why it did. */
    for (int ms = 0; !stopped && !ends_within(child, 100, &status); ms += 100)
        stopped = stop_signal() != 0 || (!is_wanted && ms >= 1000);
    if (stopped)
        stop_child(child, &status);
    if (stopped || (!is_wanted && WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE))
        return 1;
    return judge_end(child, status);
}
