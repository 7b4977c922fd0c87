"""The inventory of all devices, in the office: serial, site, certificate, acceptance; and their labels."""
