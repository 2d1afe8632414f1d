/* Gives every file of the named folders to a fuzz target, each in a process of its own.
 *
 *   replay_<target> FOLDER…
 *
 * Prints `FAIL file` for one that ends badly, and last `N passed, N failed`.
 */
#include "fuzz.h"

#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_BYTES_MAX ((size_t)16 << 20)

struct sums {
    uint32_t passed;
    uint32_t failed;
};

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Runs in the child: the input in memory of its exact size, so that a sanitizer sees one byte too many. */
NORETURN static void look_at(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        _exit(2);
    uint8_t *input = mem_alloc(INPUT_BYTES_MAX);
    const size_t size = fread(input, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    input = mem_realloc(input, size);
    (void)LLVMFuzzerTestOneInput(input, size);
    mem_free(input);
    exit(0); /* not _exit: the leak check runs at the end */
}

static bool passes(const char *path)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        look_at(path);
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void replay(const char *folder, struct sums *sums)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_file, alphasort);
    if (count < 0) {
        printf("FAIL %s: cannot be read\n", folder);
        sums->failed++;
        return;
    }
    for (int i = 0; i < count; i++) {
        char *path = mem_printf("%s/%s", folder, entries[i]->d_name);
        if (passes(path)) {
            sums->passed++;
        } else {
            printf("FAIL %s\n", path);
            sums->failed++;
        }
        mem_free(path);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    struct sums sums = { 0 };
    for (int i = 1; i < argc; i++)
        replay(argv[i], &sums);
    printf("%u passed, %u failed\n", sums.passed, sums.failed);
    return sums.failed == 0 && sums.passed > 0 ? 0 : 1;
}
