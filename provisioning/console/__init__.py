"""What commands share towards people: options, help, progress, exit codes."""
