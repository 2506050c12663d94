/*
 * Signals that end the program. While the library is at work they are noted, its callbacks tell it
 * to stop, and the program ends by the signal when nothing half is left. At any other time, and
 * when a second one comes, they end it at once.
 */
#include "tool.h"

#include <signal.h>

static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

enum { SIGNALS = sizeof signals / sizeof signals[0] };

static volatile sig_atomic_t caught;
static struct sigaction before[SIGNALS];
static bool held;
static bool changes;

/* Ends the program by the signal, when the handler that calls this has returned at the latest. */
static void die_by(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(number, &action, NULL);
    raise(number);
}

static void on_signal(int number)
{
    if (caught != 0)
        die_by(number);
    caught = number;
}

void hold_signals(void)
{
    /* Without SA_RESTART: who waits for a full pipe to take more is woken up. */
    struct sigaction action = {.sa_handler = on_signal};

    if (held)
        return;
    held = true;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

void release_signals(void)
{
    if (!held)
        return;
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    held = false;
    if (caught != 0) {
        say("interrupted by signal %d (%s)", (int)caught, strsignal(caught));
        die_by(caught);
    }
}

/* Not SIG_IGN, which a program that is started would have too. */
static void on_pipe(int number)
{
    (void)number;
}

void begin_changes(void)
{
    struct sigaction action = {.sa_handler = on_pipe, .sa_flags = SA_RESTART}, old;

    hold_signals();
    changes = true;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        sigaction(SIGPIPE, &action, NULL);
}

bool has_begun_changes(void)
{
    return changes;
}

int32_t stop_signal(void)
{
    return caught;
}
