"""Cases in the forms of other systems, and the systems that are told of them."""
