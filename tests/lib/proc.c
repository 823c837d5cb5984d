#include "tests/lib/proc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"

static size_t add_children_of_thread(const char *path, pid_t *out, size_t count, size_t max)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return count;
    int pid;
    while (count < max && fscanf(file, "%d", &pid) == 1)
        out[count++] = (pid_t)pid;
    fclose(file);
    return count;
}

static size_t add_children(pid_t parent, pid_t *out, size_t count, size_t max)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
    DIR *threads = opendir(path);
    if (!threads)
        return count;
    struct dirent *entry;
    while ((entry = readdir(threads))) {
        if (entry->d_name[0] == '.')
            continue;
        char children[384];
        snprintf(children, sizeof(children), "%s/%s/children", path, entry->d_name);
        count = add_children_of_thread(children, out, count, max);
    }
    closedir(threads);
    return count;
}

size_t proc_descendants(pid_t root, pid_t *out, size_t max)
{
    size_t count = add_children(root, out, 0, max);
    for (size_t i = 0; i < count; i++)
        count = add_children(out[i], out, count, max);
    return count;
}

const char *proc_title(pid_t pid)
{
    size_t length;
    char *title = keep_file(keep_format("/proc/%d/cmdline", (int)pid), &length);
    if (!title)
        return "";
    while (length > 0 && title[length - 1] == '\0')
        length--;
    for (size_t i = 0; i < length; i++)
        if (title[i] == '\0')
            title[i] = ' ';
    return title;
}

char proc_state(pid_t pid)
{
    char path[64], state = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    char line[512];
    if (fgets(line, sizeof(line), file)) {
        const char *after_name = strrchr(line, ')');
        if (after_name && after_name[1] == ' ')
            state = after_name[2];
    }
    fclose(file);
    return state;
}

bool proc_alive(pid_t pid)
{
    char state = proc_state(pid);
    return state != 0 && state != 'Z' && state != 'X';
}
