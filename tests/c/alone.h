/* Which threads a process has. */
#ifndef ALONE_H
#define ALONE_H

#include "check.h"

#include <dirent.h>
#include <time.h>

/* Threads of this process. One that has ended may be listed a moment longer. */
CHECK_API unsigned count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    unsigned count = 0;

    need(tasks != NULL, "/proc/self/task");
    while ((entry = readdir(tasks)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* Nobody but the caller is left. */
CHECK_API void check_alone(void)
{
    static const struct timespec millisecond = {0, 1000000};
    unsigned count = 0;

    for (int i = 0; i < 60000 && (count = count_threads()) != 1; i++)
        nanosleep(&millisecond, NULL);
    EQUAL(1, count);
}

#endif
