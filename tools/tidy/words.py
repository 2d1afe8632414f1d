"""Names that code may not call, and where."""

# Nowhere, not even in tests: each has a safe twin.
EVERYWHERE = {
    "strcpy": "has no limit; copy by size",
    "strcat": "has no limit; use struct buf",
    "strncpy": "may leave no NUL; copy by size",
    "sprintf": "has no limit; use snprintf, buf_printf or mem_printf",
    "vsprintf": "has no limit; use vsnprintf",
    "gets": "has no limit",
    "strtok": "keeps hidden state",
    "strtok_r": "writes into its input; use struct bytes",
    "localtime": "keeps hidden state; localtime_r in app",
    "gmtime": "keeps hidden state; gmtime_r",
    "ctime": "keeps hidden state",
    "asctime": "keeps hidden state",
    "strerror": "keeps hidden state; use err_sentence",
    "atoi": "hides errors; use bytes_to_i64",
    "atol": "hides errors; use bytes_to_i64",
    "atoll": "hides errors; use bytes_to_i64",
    "rand": "is hidden state; use struct rng",
    "srand": "is hidden state; use struct rng",
    "random": "is hidden state; use struct rng",
    "drand48": "is hidden state; use struct rng",
    "setjmp": "hides a way out",
    "longjmp": "hides a way out",
    "alloca": "has no limit",
    "tmpnam": "races",
    "mktemp": "races",
    "system": "starts a shell",
    "popen": "starts a shell",
    "assert": "vanishes in some builds; use ASSERT",
}


def _group(reason, names):
    return {name: reason for name in names.split()}


# In rooms below app, except the drivers in src/io: time, chance, files and sockets come through io/io.h.
SYSTEM = {
    **_group(
        "time comes with the event or through io/io.h",
        "time clock gettimeofday clock_gettime clock_nanosleep nanosleep usleep sleep alarm localtime_r mktime"
        " timerfd_create timerfd_settime",
    ),
    **_group("chance comes through io/io.h or struct rng", "getrandom getentropy arc4random rand_r RAND_bytes"),
    **_group("configuration, not the environment", "getenv secure_getenv setenv putenv unsetenv"),
    **_group("sockets are io's", "socket socketpair connect bind listen accept accept4 send sendto sendmsg sendmmsg"
             " recv recvfrom recvmsg recvmmsg shutdown setsockopt getsockopt getsockname getpeername getaddrinfo"
             " gethostbyname gethostname sendfile splice poll ppoll select pselect epoll_create epoll_create1"
             " epoll_ctl epoll_wait eventfd pipe pipe2"),
    **_group("files are io's", "open openat openat2 creat close read write pread pwrite readv writev preadv pwritev"
             " preadv2 pwritev2 lseek fsync fdatasync sync_file_range ftruncate truncate fallocate posix_fallocate"
             " posix_fadvise readahead rename renameat renameat2 unlink unlinkat link symlink readlink mkdir mkdirat"
             " rmdir opendir fdopendir readdir closedir scandir nftw stat fstat lstat fstatat statvfs access chmod"
             " fchmod flock fcntl lockf mmap munmap msync dup dup2 mkstemp mkdtemp realpath chdir getcwd fopen fdopen"
             " freopen fclose fread fgets fgetc getc getline fscanf fseek ftell remove tmpfile"),
    **_group("threads and processes are made by io and app", "pthread_create fork vfork execv execve execvp"
             " posix_spawn waitpid kill raise sigaction signal"),
    **_group("a bug is ASSERT; an end is app's", "exit _exit quick_exit abort"),
}

# In rooms below app, except src/cli and src/sim, whose trade it is.
PRINTING = _group("rooms return, the shell around them prints (base/diag.h)",
                  "printf vprintf fprintf vfprintf puts fputs putchar fputc putc perror fwrite fflush syslog")

# In all of src outside src/base: memory comes from base/mem.h or an arena.
HEAP = _group("use base/mem.h", "malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf"
              " aligned_alloc posix_memalign")
