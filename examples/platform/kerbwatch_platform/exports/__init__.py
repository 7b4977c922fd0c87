"""Cases in the forms of other systems: asked for (a file), or told by themselves (webhooks)."""

from kerbwatch_platform.exports.fiware import ENTITIES
from kerbwatch_platform.exports.forms import FORMS, formed
from kerbwatch_platform.exports.reading import export

__all__ = ["ENTITIES", "FORMS", "export", "formed"]
