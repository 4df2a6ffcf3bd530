"""Attacks on the running product that anyone can repeat; each module is a program."""
