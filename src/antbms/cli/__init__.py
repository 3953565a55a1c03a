"""The command line: wiring and drawing. `main` is the entrance, every command is a module."""
