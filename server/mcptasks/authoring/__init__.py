"""What authors of tools use: TaskServer, dependencies, progress, files, and how their modules are loaded."""
