"""`mcptasks migrate`: moves programs that were written for FastMCP over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.command_errors import as_cli_error, usage_error
from mcptasks.diagnostics.visible_text import visible
from mcptasks.migration.findings import MigratedProgram
from mcptasks.migration.program_files import (
    ProgramFile,
    ProgramFileError,
    diff_of,
    migrated_files,
    program_paths,
    read_program,
    write_program,
)
from mcptasks.model.exit_codes import ExitCode


def command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Programs, or folders with programs.")],
    diff: Annotated[bool, typer.Option("--diff", help="Print what would change. So it is without any option.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Change the files.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; end with 1 if something is to do.")] = False,
) -> None:
    """Rewrite programs for FastMCP 2, 3 or 4 as programs for mcptasks, and name what is left to do by hand.

    \b
    Example:
      mcptasks migrate server.py
      mcptasks migrate --write src
    """
    if write and (check or diff):
        raise usage_error("--write changes the files; use --diff or --check without it")
    with as_cli_error(ProgramFileError, exit_code=ExitCode.USAGE):
        chosen = program_paths(paths)
    files, errors = _read(chosen)
    results = migrated_files(files)
    programs = {path: result for path, result in results.items() if isinstance(result, MigratedProgram)}
    errors += [result for result in results.values() if isinstance(result, ProgramFileError)]
    for file in files:
        if file.path in programs:
            errors += _show(file, programs[file.path], write=write, diff=diff or not check)
    for error in errors:
        typer.echo(f"Error: {visible(str(error))}", err=True)
    typer.echo(summary(programs, written=write), err=True)
    if errors or (check and any(program.changed or program.by_hand for program in programs.values())):
        raise typer.Exit(ExitCode.FAILED)


def _read(paths: Sequence[Path]) -> tuple[list[ProgramFile], list[ProgramFileError]]:
    files, errors = [], []
    for path in paths:
        try:
            files.append(read_program(path))
        except ProgramFileError as error:
            errors.append(error)
    return files, errors


def _show(file: ProgramFile, program: MigratedProgram, *, write: bool, diff: bool) -> list[ProgramFileError]:
    """Print or write what changes, and tell what is found; gives what went wrong."""
    errors = []
    if program.changed and write:
        try:
            write_program(file, program.after)
        except ProgramFileError as error:
            errors.append(error)
    elif program.changed and diff:
        typer.echo(diff_of(file.path, program), nl=False)
    for finding in program.findings:
        kind = "by hand" if finding.by_hand else "note"
        typer.echo(visible(f"{file.path}:{finding.line}: {kind}: {finding.text}"), err=True)
    return errors


def summary(programs: Mapping[Path, MigratedProgram], *, written: bool) -> str:
    """One line about all of it."""
    changed = sum(program.changed for program in programs.values())
    left = sum(len(program.by_hand) for program in programs.values())
    done = "changed" if written else "would change"
    by_hand = f"; left to do by hand: {left}, at the lines above" if left else ""
    return f"{changed} of {len(programs)} programs {done}{by_hand}"
