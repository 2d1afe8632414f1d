/* See background.h. */
#include "app/background.h"

#include "base/mem.h"
#include "io/epoll.h"
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char *folder(const char *program, const char *log_dir)
{
    if (log_dir != NULL && log_dir[0] != '\0')
        return mem_strdup(log_dir);
    const char *slash = strrchr(program, '/');
    return slash == NULL ? mem_strdup("logs")
                         : mem_printf("%.*s/../logs", (int)(slash - program), program);
}

/* Standard input reads nothing, output and errors go to the file. */
static int redirect(const char *path)
{
    const int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out < 0)
        return -errno;
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int r = nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
                    dup2(out, STDERR_FILENO) < 0
                ? -errno
                : 0;
    if (nothing >= 0)
        (void)close(nothing);
    (void)close(out);
    return r;
}

int background_begin(const char *program, const char *log_dir, struct err_note *note)
{
    AUTO(mem_freep) char *dir = folder(program, log_dir);
    AUTO(mem_freep) char *path = mem_printf("%s/kafkaServer.out", dir);
    int r = io_fs_make_directories(posix_fs(), dir);
    if (r == 0)
        r = redirect(path);
    if (r < 0)
        return err_note(note, r, "%s cannot be written: %s", path, err_sentence(r));
    return daemon(1, 1) < 0 ? err_note(note, -errno, "the background cannot be reached: %s",
                                       err_sentence(-errno))
                            : 0;
}
