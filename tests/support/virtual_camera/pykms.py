"""Stands for the kms++ binding, of which Picamera2 only needs names here: nothing is displayed."""


class PixelFormat:
    """Formats of a display that is not there."""

    RGB888 = BGR888 = XRGB8888 = XBGR8888 = ABGR8888 = YUV420 = YVU420 = NV12 = None
