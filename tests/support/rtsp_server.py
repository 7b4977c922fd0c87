"""An RTSP camera of the tests: GStreamer's server. Runs under the system's Python, which has gi.

usage: rtsp_server.py PORT FOLDER|FILE [USER PASSWORD]

A folder's JPEGs are sent round and round, ten a second; an H.264 file is sent once.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PICTURES = (
    '( multifilesrc location="{source}/%03d.jpg" loop=true caps="image/jpeg,framerate=10/1"'
    " ! jpegparse ! identity sync=true ! rtpjpegpay name=pay0 pt=26 )"
)
FILM = '( filesrc location="{source}" ! qtdemux ! h264parse config-interval=1 ! identity sync=true ! rtph264pay name=pay0 pt=96 )'


def guard(
    server: GstRtspServer.RTSPServer,
    factory: GstRtspServer.RTSPMediaFactory,
    user: str,
    password: str,
) -> None:
    """Let in only who knows the password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    structure = Gst.Structure.new_empty(user)
    structure.set_value("media.factory.access", True)
    structure.set_value("media.factory.construct", True)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role_from_structure(structure)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until ended."""
    port, source, *who = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch((FILM if source.endswith(".mp4") else PICTURES).format(source=source))
    factory.set_shared(True)
    if who:
        guard(server, factory, *who)
    server.get_mount_points().add_factory("/street", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
