"""A street made of code: training pictures, the demo's clip and the tests' clips.

Blender (``bpy``) is imported only inside :mod:`training.street.blender`, so that planning and
geometry work, and are tested, without it.
"""
