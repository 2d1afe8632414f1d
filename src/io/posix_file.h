/* For the epoll driver: what sendfile needs of a file of the kernel. */
#pragma once

#include "io/io.h"

/* Borrowed until the file is closed. A file of another driver is a bug. */
int posix_file_descriptor(struct io_file *file);
