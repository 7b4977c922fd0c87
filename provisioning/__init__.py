"""The technician's side: the ``kerbwatch`` command."""
