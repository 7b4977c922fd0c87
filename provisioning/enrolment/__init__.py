"""Keys and certificates: the offline authority, enrolment over EST, renewal."""
