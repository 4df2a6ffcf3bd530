"""The commands: a module for each, whose function `command` is the command."""
