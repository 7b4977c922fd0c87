"""What the desk's pages ask of the database: plain SQL over the data model, and rows as they are shown."""
