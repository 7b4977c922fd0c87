"""One module a view: what it answers (``ROUTES``), and its place in the navigation (``NAV``)."""
