/* Passwords: from a file, a descriptor or the terminal, and overwritten when they were used. */
#include "tool.h"

#include <signal.h>
#include <sys/select.h>
#include <termios.h>

void wipe_password(struct password *password)
{
    /* Through a volatile pointer, since nobody reads the bytes again and a compiler may know it. */
    volatile char *byte = password->bytes;

    for (size_t i = 0; i < sizeof password->bytes; i++)
        byte[i] = 0;
    password->len = 0;
}

/*
 * Reads a line, by read() itself so that no buffer of stdio keeps a copy. As for PBS's client a
 * line ends in LF or CR LF, and what comes behind the first one does not count.
 */
static int read_password(int fd, const char *name, struct password *password)
{
    const char *end = NULL;
    ssize_t n;

    password->len = 0;
    do {
        n = read_some(fd, password->bytes + password->len, sizeof password->bytes - password->len);
        if (n > 0) {
            end = memchr(password->bytes + password->len, '\n', (size_t)n);
            password->len += (size_t)n;
        }
    } while (n > 0 && end == NULL);
    if (n < 0)
        return fail_errno(name);
    if (end != NULL) {
        password->len = (size_t)(end - password->bytes);
        if (password->len > 0 && password->bytes[password->len - 1] == '\r')
            password->len--;
    }
    if (password->len > PASSWORD_MAX_LEN) {
        say("%s: longer than a password may be (%d bytes)", name, PASSWORD_MAX_LEN);
        return 1;
    }
    return 0;
}

static int read_password_file(const char *path, struct password *password)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd >= 0 ? read_password(fd, path, password) : fail_errno(path);

    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- the terminal ---- */

/* What would leave the terminal without its echo. Those that are ignored stay so. */
static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

enum { SIGNALS = sizeof signals / sizeof signals[0] };

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

/* How the process took signals before. */
struct handlers {
    struct sigaction action[SIGNALS];
    sigset_t mask;
};

/* The signals are noted and, but for the wait in read_line(), blocked. */
static void catch_signals(struct handlers *old)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t mask;

    sigemptyset(&action.sa_mask);
    sigemptyset(&mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaddset(&mask, signals[i]);
    sigprocmask(SIG_BLOCK, &mask, &old->mask);
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &old->action[i]);
        if (old->action[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

static void restore_signals(const struct handlers *old)
{
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &old->action[i], NULL);
    sigprocmask(SIG_SETMASK, &old->mask, NULL);
}

/* Reads a line without its end. false: there is none, and errno is 0 at the end of the input. */
static bool read_line(int tty, const sigset_t *open_mask, struct password *password)
{
    ssize_t n = -1;
    fd_set set;

    password->len = 0;
    FD_ZERO(&set);
    FD_SET(tty, &set);
    if (pselect(tty + 1, &set, NULL, NULL, NULL, open_mask) > 0)
        n = read(tty, password->bytes, sizeof password->bytes);
    if (n <= 0) {
        errno = n == 0 ? 0 : errno;
        return false;
    }
    password->len = (size_t)n;
    if (password->bytes[n - 1] == '\n')
        password->len--;
    return true;
}

/* Asks once, with the echo off. A signal is answered when all is as it was. */
static bool ask_once(int tty, const char *prompt, struct password *password)
{
    struct termios normal, silent;
    struct handlers old;
    bool good = false;
    int error;

    caught = 0;
    if (tty >= FD_SETSIZE || tcgetattr(tty, &normal) != 0)
        return false;
    silent = normal;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    silent.c_lflag |= ICANON | ISIG;
    catch_signals(&old);
    if (tcsetattr(tty, TCSAFLUSH, &silent) == 0) {
        if (dprintf(tty, "%s: ", prompt) > 0)
            good = read_line(tty, &old.mask, password);
        error = errno;
        tcsetattr(tty, TCSAFLUSH, &normal);
        dprintf(tty, "\n");
        errno = error;
    }
    error = errno;
    restore_signals(&old);
    if (caught != 0)
        raise(caught); /* which ends the program, or stops it */
    errno = error;
    return good;
}

static int ask(const char *prompt, struct password *password)
{
    int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    bool good;

    if (tty < 0) {
        say("a password is needed, and there is no terminal to ask on");
        return 1;
    }
    do
        good = ask_once(tty, prompt, password);
    while (!good && caught == SIGTSTP); /* it was stopped, and goes on */
    if (!good && errno != 0)
        fail_errno("/dev/tty");
    else if (!good)
        say("no password was typed");
    close(tty);
    return good ? 0 : 1;
}

static int ask_twice(const char *prompt, struct password *password)
{
    struct password again;
    int rc = ask(prompt, password);

    if (rc != 0)
        return rc;
    rc = ask("The same again", &again);
    if (rc == 0 &&
        (again.len != password->len || memcmp(again.bytes, password->bytes, again.len) != 0)) {
        say("the two passwords differ");
        rc = 1;
    }
    wipe_password(&again);
    return rc;
}

/* ---- where it comes from ---- */

/* What a command of the shell prints. */
static int read_password_of(const char *command, struct password *password)
{
    char *const line[] = {"/bin/sh", "-c", (char *)command, NULL};
    struct child child;
    char rest[512];
    int rc = start_child(line, &child);

    if (rc != 0)
        return rc;
    child.name = command;
    rc = read_password(child.out, command, password);
    while (rc == 0 && read_some(child.out, rest, sizeof rest) > 0)
        ; /* or it would be ended by a write that nobody reads */
    return end_child(&child, rc == 0) != 0 ? 1 : rc;
}

/* The password that the options name, or the environment. Gives whether there is one, and *rc. */
static bool find_password(const struct args *args, struct password *password, int *rc)
{
    const struct value *file = &args->option[OPT_PASSWORD_FILE];
    const struct value *fd = &args->option[OPT_PASSWORD_FD];
    const struct value *command = &args->option[OPT_PASSWORD_COMMAND];

    if (file->given)
        *rc = read_password_file(file->text, password);
    else if (fd->given)
        *rc = read_password((int)fd->number, "--password-fd", password);
    else if (command->given)
        *rc = read_password_of(command->text, password);
    else if (variable("PXDS_PASSWORD_FILE") != NULL)
        *rc = read_password_file(variable("PXDS_PASSWORD_FILE"), password);
    else if (variable("PXDS_PASSWORD_COMMAND") != NULL)
        *rc = read_password_of(variable("PXDS_PASSWORD_COMMAND"), password);
    else
        return false;
    return true;
}

int get_password(const struct args *args, const char *prompt, struct password *password)
{
    int rc;

    return find_password(args, password, &rc) ? rc : ask(prompt, password);
}

int get_first_password(const struct args *args, struct password *password)
{
    int rc;

    return find_password(args, password, &rc) ? rc : ask_twice("New password of the key", password);
}

int get_new_password(const struct args *args, struct password *password)
{
    const struct value *file = &args->option[OPT_NEW_PASSWORD_FILE];
    const struct value *fd = &args->option[OPT_NEW_PASSWORD_FD];

    if (file->given)
        return read_password_file(file->text, password);
    if (fd->given)
        return read_password((int)fd->number, "the descriptor of the new password", password);
    return ask_twice("New password of the key", password);
}
