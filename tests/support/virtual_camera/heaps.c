/* Answers for /dev/udmabuf and /dev/dma_heap/ from anonymous memory, so that libcamera's virtual
 * camera runs where the kernel offers neither. Preloaded; everything else goes to libc unchanged. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int is_heap(const char *path) {
    return path != NULL && (strcmp(path, "/dev/udmabuf") == 0 ||
                            strncmp(path, "/dev/dma_heap/", sizeof "/dev/dma_heap/" - 1) == 0);
}

static int opened(const char *symbol, const char *path, int flags, int mode) {
    if (is_heap(path)) return memfd_create("heap", MFD_CLOEXEC);
    int (*libc_open)(const char *, int, ...) = dlsym(RTLD_NEXT, symbol);
    return libc_open(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, int) : 0;
    va_end(rest);
    return opened("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, int) : 0;
    va_end(rest);
    return opened("open64", path, flags, mode);
}

static int allocate(struct dma_heap_allocation_data *wanted) {
    int memory = memfd_create("buffer", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, (off_t)wanted->len) != 0) return -1;
    wanted->fd = (__u32)memory;
    return 0;
}

int ioctl(int file, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    switch ((unsigned)request) { /* the kernel looks at 32 bits as well */
    case (unsigned)UDMABUF_CREATE:
        return fcntl((int)((struct udmabuf_create *)argument)->memfd, F_DUPFD_CLOEXEC, 3);
    case (unsigned)DMA_HEAP_IOCTL_ALLOC:
        return allocate(argument);
    case (unsigned)DMA_BUF_SET_NAME:
    case (unsigned)DMA_BUF_IOCTL_SYNC: /* plain memory is coherent */
        return 0;
    default:
        break;
    }
    int (*libc_ioctl)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return libc_ioctl(file, request, argument);
}
