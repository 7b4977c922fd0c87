/* Pretends a Video4Linux camera to one process: preloaded, it answers for the device named by
 * PRETENDED_CAMERA with the JPEGs of the folder PRETENDED_FRAMES, at 50 a second. The file
 * PRETENDED_STATE says how it fares: "silent" gives no pictures, "gone" is unplugged, "damaged"
 * cuts every picture short. Everything else goes to libc unchanged. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20, WIDTH = 1280, HEIGHT = 720, MOST_BUFFERS = 8 };

static int camera = -1, queued[MOST_BUFFERS], waiting, next_frame, ready;

static int state_is(const char *wanted) {
    char text[16] = "";
    FILE *file = fopen(getenv("PRETENDED_STATE"), "r");
    if (file == NULL) return 0;
    if (fgets(text, sizeof text, file) == NULL) text[0] = 0;
    fclose(file);
    return strncmp(text, wanted, strlen(wanted)) == 0;
}

static int opened(const char *symbol, const char *path, int flags, int mode) {
    const char *pretended = getenv("PRETENDED_CAMERA");
    if (pretended != NULL && strcmp(path, pretended) == 0) {
        if (state_is("gone")) {
            errno = ENOENT;
            return -1;
        }
        camera = memfd_create("camera", MFD_CLOEXEC);
        waiting = 0;
        return camera;
    }
    int (*libc_open)(const char *, int, ...) = dlsym(RTLD_NEXT, symbol);
    return libc_open(path, flags, mode);
}

#define OPENS(name)                                                                    \
    int name(const char *path, int flags, ...) {                                       \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        int mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, int) : 0;            \
        va_end(rest);                                                                  \
        return opened(#name, path, flags, mode);                                       \
    }
OPENS(open)
OPENS(open64)

static void describe(struct v4l2_format *format) {
    format->fmt.pix.width = WIDTH;
    format->fmt.pix.height = HEIGHT;
    format->fmt.pix.pixelformat = V4L2_PIX_FMT_MJPEG;
    format->fmt.pix.field = V4L2_FIELD_NONE;
    format->fmt.pix.sizeimage = BUFFER_BYTES;
    format->fmt.pix.bytesperline = 0;
}

static int fill(struct v4l2_buffer *buffer) {
    static char jpeg[BUFFER_BYTES];
    char path[512];
    if (waiting == 0 || !ready) {
        errno = EAGAIN;
        return -1;
    }
    ready = 0;
    int index = queued[0];
    memmove(queued, queued + 1, sizeof queued[0] * (size_t)(--waiting));
    snprintf(path, sizeof path, "%s/%03d.jpg", getenv("PRETENDED_FRAMES"), next_frame++ % 12);
    FILE *file = fopen(path, "rb");
    size_t size = file == NULL ? 0 : fread(jpeg, 1, sizeof jpeg, file);
    if (file != NULL) fclose(file);
    if (state_is("damaged")) size = 20;
    if (pwrite(camera, jpeg, size, (off_t)index * BUFFER_BYTES) < 0) return -1;
    buffer->index = (unsigned)index;
    buffer->bytesused = (unsigned)size;
    buffer->length = BUFFER_BYTES;
    buffer->flags = V4L2_BUF_FLAG_DONE;
    return 0;
}

static int answer(unsigned request, void *argument) {
    switch (request) {
    case (unsigned)VIDIOC_QUERYCAP: {
        struct v4l2_capability *found = argument;
        memset(found, 0, sizeof *found);
        strcpy((char *)found->driver, "pretended");
        found->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
        found->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case (unsigned)VIDIOC_G_FMT:
    case (unsigned)VIDIOC_S_FMT:
    case (unsigned)VIDIOC_TRY_FMT:
        describe(argument);
        return 0;
    case (unsigned)VIDIOC_G_PARM:
    case (unsigned)VIDIOC_S_PARM: {
        struct v4l2_streamparm *rate = argument;
        rate->parm.capture.timeperframe.numerator = 1;
        rate->parm.capture.timeperframe.denominator = 50;
        return 0;
    }
    case (unsigned)VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wanted = argument;
        if (wanted->count > MOST_BUFFERS) wanted->count = MOST_BUFFERS;
        waiting = 0;
        return ftruncate(camera, (off_t)BUFFER_BYTES * MOST_BUFFERS);
    }
    case (unsigned)VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        buffer->length = BUFFER_BYTES;
        buffer->m.offset = buffer->index * BUFFER_BYTES;
        return 0;
    }
    case (unsigned)VIDIOC_QBUF: {
        struct v4l2_buffer *buffer = argument;
        if (waiting < MOST_BUFFERS) queued[waiting++] = (int)buffer->index;
        return 0;
    }
    case (unsigned)VIDIOC_DQBUF:
        return fill(argument);
    case (unsigned)VIDIOC_STREAMON:
    case (unsigned)VIDIOC_STREAMOFF:
        return 0;
    default:
        errno = EINVAL; /* as a camera answers for what it does not have */
        return -1;
    }
}

int ioctl(int file, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (file == camera && camera >= 0) {
        if (state_is("gone")) {
            errno = ENODEV;
            return -1;
        }
        return answer((unsigned)request, argument);
    }
    int (*libc_ioctl)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return libc_ioctl(file, request, argument);
}

int select(int most, fd_set *readers, fd_set *writers, fd_set *others, struct timeval *timeout) {
    if (camera >= 0 && camera < most && readers != NULL && FD_ISSET(camera, readers)) {
        if (state_is("silent")) {
            if (timeout != NULL) usleep((unsigned)(timeout->tv_sec * 1000000 + timeout->tv_usec));
            return 0;
        }
        usleep(20000);
        ready = 1;
        return 1;
    }
    int (*libc_select)(int, fd_set *, fd_set *, fd_set *, struct timeval *) =
        dlsym(RTLD_NEXT, "select");
    return libc_select(most, readers, writers, others, timeout);
}
