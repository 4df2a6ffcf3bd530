"""Rewrites a program for FastMCP 2, 3 or 4 as one for mcptasks, and tells what it could not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import libcst
from libcst.metadata import MetadataWrapper, PositionProvider

from mcptasks.migration.findings import MigratedProgram, MigrationFinding
from mcptasks.migration.program_imports import ImportRewrite, advice
from mcptasks.migration.program_names import SERVER_CLASS, NameCollector, ProgramNames, dotted, expression_of
from mcptasks.migration.rules import (
    COMPONENT_RULES,
    CONTEXT_MEMBERS,
    DROPPED_IMPORTS,
    IMPORTS,
    MODEL_OF_ANSWER,
    MOUNT_RULES,
    OTHER_IMPORTS,
    RUN_RULES,
    SERVER_MEMBERS,
    SERVER_RULES,
    ArgumentRules,
    ImportedName,
)

DECORATORS = ("tool", "prompt", "resource")
MESSAGE_CLASS = "Message"
SDK = "mcp.server.mcpserver"
ROLES: dict[str | bytes | None, str] = {"user": "UserMessage", "assistant": "AssistantMessage"}
BARE = ("tool", "prompt")
"""Decorators that FastMCP takes without parentheses too."""

TASK_CONFIG = ImportedName("mcptasks", "TaskConfig")


def migrated(source: str, imported_servers: Iterable[str] = ()) -> MigratedProgram:
    """The program, moved over.

    Args:
        source: the program.
        imported_servers: names of servers that other files make, which are moved over with it.

    Raises:
        ParserSyntaxError: libcst's; the source is not a program.
    """
    wrapper = MetadataWrapper(libcst.parse_module(source))
    names = _collected(wrapper.module, imported_servers)
    if not names.classes and not names.modules and not names.servers:
        return MigratedProgram(source, source, ())
    rewrite = ProgramRewrite(names)
    after = wrapper.visit(rewrite)
    imports = ImportRewrite(names, rewrite.needed, rewrite.still_used, rewrite.unused)
    after = MetadataWrapper(after).visit(imports)
    return MigratedProgram(source, after.code, tuple(sorted({*rewrite.findings, *imports.findings})))


def servers_of(source: str) -> set[str]:
    """Names of the servers that a program makes, for those that import them.

    Raises:
        ParserSyntaxError: libcst's; the source is not a program.
    """
    return _collected(libcst.parse_module(source), ()).servers


def _collected(module: libcst.Module, imported_servers: Iterable[str]) -> ProgramNames:
    collector = NameCollector(imported_servers)
    module.visit(collector)
    return collector.names


class ProgramRewrite(libcst.CSTTransformer):
    """All but the imports."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, names: ProgramNames) -> None:
        super().__init__()
        self.findings: set[MigrationFinding] = set()
        self.needed: set[ImportedName] = set()
        """What the program uses now, apart from what stood in its imports."""

        self.still_used: set[str] = set()
        """Names of FastMCP's modules of which something is used that has no counterpart."""

        self._names = names
        self._within_name = 0
        self._uses: Counter[str] = Counter()

    @property
    def unused(self) -> set[str]:
        """Imported names of which nothing is left."""
        return {name for name, uses in self._uses.items() if not uses}

    # Names

    def visit_Import(self, node: libcst.Import) -> bool:  # noqa: N802
        return False

    def visit_ImportFrom(self, node: libcst.ImportFrom) -> bool:  # noqa: N802
        return False

    def visit_Attribute_attr(self, node: libcst.Attribute) -> None:  # noqa: N802
        self._within_name += 1

    def leave_Attribute_attr(self, node: libcst.Attribute) -> None:  # noqa: N802
        self._within_name -= 1

    def visit_Arg_keyword(self, node: libcst.Arg) -> None:  # noqa: N802
        self._within_name += 1

    def leave_Arg_keyword(self, node: libcst.Arg) -> None:  # noqa: N802
        self._within_name -= 1

    def leave_Name(self, original_node: libcst.Name, updated_node: libcst.Name) -> libcst.Name:  # noqa: N802
        local = original_node.value
        imported = self._names.classes.get(local)
        if self._within_name or imported is None:
            return updated_node
        self._uses[local] += 1
        if imported in DROPPED_IMPORTS:
            self._report(original_node, f"`{local}`: take it out, a TaskServer has tasks without being asked")
        found = IMPORTS.get(imported)
        if found is None or local != imported.name or found.module == "logging":
            return updated_node
        return updated_node.with_changes(value=found.name)

    def visit_Attribute(self, node: libcst.Attribute) -> bool:  # noqa: N802
        """Of `fastmcp.settings.port` all is told at once; in `fastmcp.FastMCP.from_openapi` the class is replaced."""
        module = self._names.module_of(dotted(node))
        return module is None or (self._names.counterpart(node) is None and self._has_counterpart(node.value))

    def _has_counterpart(self, node: libcst.BaseExpression) -> bool:
        """Whether the expression, or what it is a member of, is something of FastMCP that has one."""
        if self._names.counterpart(node) is not None:
            return True
        return isinstance(node, libcst.Attribute) and self._has_counterpart(node.value)

    def leave_Attribute(  # noqa: N802
        self, original_node: libcst.Attribute, updated_node: libcst.Attribute
    ) -> libcst.BaseExpression:
        owner, member = dotted(original_node.value), original_node.attr.value
        is_class = self._is_server_class(original_node.value)
        if (is_class or self._names.is_server(original_node.value)) and member in SERVER_MEMBERS:
            self._report(original_node, f"`{owner}.{member}`: {SERVER_MEMBERS[member]}")
        elif self._names.module_of(owner) is not None and not self._has_counterpart(original_node.value):
            return self._member_of_module(original_node, updated_node)
        elif owner in self._names.contexts:
            return self._member_of_context(original_node, updated_node)
        return updated_node

    def _member_of_module(self, original: libcst.Attribute, updated: libcst.Attribute) -> libcst.BaseExpression:
        found = self._names.counterpart(original)
        if found is None:
            path = self._names.module_of(dotted(original)) or ""
            self.still_used.add(dotted(original).partition(".")[0])
            parts = path.split(".")
            known = next((index for index, part in enumerate(parts) if part in OTHER_IMPORTS), len(parts) - 1)
            name = ImportedName(".".join(parts[:known]), parts[known])
            self._report(original, f"`{name.module}.{name.name}`: {advice(name)}")
            return updated
        self.needed.add(found)
        return libcst.Name(found.name, lpar=updated.lpar, rpar=updated.rpar)

    def _member_of_context(self, original: libcst.Attribute, updated: libcst.Attribute) -> libcst.BaseExpression:
        owner, member = dotted(original.value), original.attr.value
        if member == "lifespan_context":
            return updated.with_changes(
                value=libcst.Attribute(updated.value, libcst.Name("request_context")), attr=libcst.Name(member)
            )
        if member in CONTEXT_MEMBERS:
            self._report(original, f"`{owner}.{member}`: {CONTEXT_MEMBERS[member]}")
        return updated

    def leave_Annotation(  # noqa: N802
        self, original_node: libcst.Annotation, updated_node: libcst.Annotation
    ) -> libcst.Annotation:
        """A class in quotes."""
        quoted = original_node.annotation
        if not isinstance(quoted, libcst.SimpleString) or not isinstance(quoted.evaluated_value, str):
            return updated_node
        named = expression_of(quoted.evaluated_value)
        found = None if named is None else self._names.counterpart(named)
        if named is None or found is None:
            return updated_node
        if isinstance(named, libcst.Name):
            found = found if named.value == self._names.classes[named.value].name else ImportedName("", named.value)
        else:
            self.needed.add(found)
        return updated_node.with_changes(
            annotation=quoted.with_changes(value=f"{quoted.quote}{found.name}{quoted.quote}")
        )

    # Calls

    def leave_Decorator(  # noqa: N802
        self, original_node: libcst.Decorator, updated_node: libcst.Decorator
    ) -> libcst.Decorator:
        bare = original_node.decorator
        if isinstance(bare, libcst.Attribute) and bare.attr.value in BARE and self._names.is_server(bare.value):
            return updated_node.with_changes(decorator=libcst.Call(updated_node.decorator))
        return updated_node

    def leave_Call(self, original_node: libcst.Call, updated_node: libcst.Call) -> libcst.BaseExpression:  # noqa: N802
        made = self._names.counterpart(original_node.func)
        if self._is_server_class(original_node.func):
            return self._server(original_node, updated_node)
        if made is not None and made.name == MESSAGE_CLASS:
            return self._message(original_node, updated_node)
        if not isinstance(original_node.func, libcst.Attribute):
            return updated_node
        owner, method = dotted(original_node.func.value), original_node.func.attr.value
        if self._names.is_server(original_node.func.value):
            return self._call_of_server(method, original_node, updated_node)
        if owner in self._names.contexts:
            return self._call_of_context(method, original_node, updated_node)
        return updated_node

    def _server(self, original: libcst.Call, updated: libcst.Call) -> libcst.Call:
        arguments = list(updated.args)
        # The SDK's second positional argument is the title.
        if len(arguments) > 1 and arguments[1].keyword is None and not arguments[1].star:
            arguments[1] = _keyword("instructions", arguments[1])
        return updated.with_changes(args=self._kept(original, arguments, SERVER_RULES, "FastMCP"))

    def _message(self, original: libcst.Call, updated: libcst.Call) -> libcst.Call:
        """A class for each role, which is the second argument."""
        said = next((one for one in original.args if _named(one) == "role"), None)
        if said is None:
            said = next((one for one in original.args[1:2] if not _named(one) and not one.star), None)
        role = None if said is None else said.value
        text = role.evaluated_value if isinstance(role, libcst.SimpleString) else "user" if role is None else None
        if text not in ROLES:
            self._report(original, f"`{_code(original)}`: UserMessage or AssistantMessage, by the role")
            return updated
        self.needed.add(ImportedName(SDK, ROLES[text]))
        self._uses.subtract([dotted(original.func)])
        rest = [one for one, before in zip(updated.args, original.args, strict=True) if before is not said]
        return updated.with_changes(func=libcst.Name(ROLES[text]), args=updated.args if said is None else _tidy(rest))

    def _call_of_server(self, method: str, original: libcst.Call, updated: libcst.Call) -> libcst.BaseExpression:
        match method:
            case "tool" | "prompt" | "resource":
                return self._component(method, original, updated)
            case "run":
                return self._run(original, updated)
            case "mount":
                return self._mount(original, updated)
        return updated

    def _mount(self, original: libcst.Call, updated: libcst.Call) -> libcst.Call:
        arguments = _renamed(updated.args, {"namespace": "prefix"})
        match arguments:
            case [libcst.Arg(keyword=None, value=libcst.SimpleString() as prefix), libcst.Arg(keyword=None), *_]:
                # Before FastMCP 2.9 the prefix came first.
                server = arguments[1].value
                arguments[:2] = [arguments[0].with_changes(value=server), arguments[1].with_changes(value=prefix)]
        return updated.with_changes(args=self._kept(original, arguments, MOUNT_RULES, "mount"))

    def _component(self, method: str, original: libcst.Call, updated: libcst.Call) -> libcst.BaseExpression:
        arguments = self._output_schema(original, list(updated.args))
        arguments = self._timeout(original, arguments)
        kept = self._kept(original, arguments, COMPONENT_RULES[method], method)
        function = kept[0] if kept and kept[0].keyword is None and not kept[0].star else None
        if method in BARE and function is not None and not isinstance(function.value, libcst.BaseString):
            # `mcp.tool(function, ...)`
            return libcst.Call(updated.with_changes(args=_tidy(kept[1:])), [_last(function)])
        return updated.with_changes(args=kept)

    def _output_schema(self, original: libcst.Call, arguments: list[libcst.Arg]) -> list[libcst.Arg]:
        """None means text alone, which the SDK says by another argument."""
        for index, argument in enumerate(arguments):
            if _named(argument) == "output_schema" and dotted(argument.value) == "None":
                changed = argument.with_changes(keyword=libcst.Name("structured_output"), value=libcst.Name("False"))
                return [*arguments[:index], changed, *arguments[index + 1 :]]
        return arguments

    def _timeout(self, original: libcst.Call, arguments: list[libcst.Arg]) -> list[libcst.Arg]:
        """A tool's time limit is its task's."""
        limit = next((one for one in arguments if _named(one) == "timeout"), None)
        if limit is None:
            return arguments
        rest = list(_without(arguments, {"timeout"}))
        task = next((index for index, one in enumerate(rest) if _named(one) == "task"), None)
        config = None if task is None else self._with_timeout(rest[task].value, limit)
        if task is None or config is None:
            where = "task=TaskConfig(timeout=...)" if task is None else "timeout= of its TaskConfig"
            text = _code(limit.value)
            self._report(original, f"`timeout={text}` is taken out: {where} limits a task; an inline call has no limit")
            return rest
        rest[task] = rest[task].with_changes(value=config)
        return rest

    def _with_timeout(self, task: libcst.BaseExpression, limit: libcst.Arg) -> libcst.Call | None:
        argument = libcst.Arg(limit.value, keyword=libcst.Name("timeout"), equal=_EQUAL)
        if isinstance(task, libcst.Name) and task.value == "True":
            self.needed.add(TASK_CONFIG)
            return libcst.Call(libcst.Name("TaskConfig"), [argument])
        if isinstance(task, libcst.Call) and TASK_CONFIG in (
            self._names.counterpart(task.func),
            ImportedName(TASK_CONFIG.module, dotted(task.func)),
        ):
            return task.with_changes(args=_tidy([*task.args, argument]))
        return None

    def _run(self, original: libcst.Call, updated: libcst.Call) -> libcst.Call:
        self._report(
            original,
            f"`{_code(original.func)}` serves everything inline: `mcptasks dev` and `mcptasks serve` run tasks",
            by_hand=False,
        )
        arguments = _renamed(updated.args, {"path": "streamable_http_path", "stateless": "stateless_http"})
        arguments = [_http(argument) for argument in arguments]
        chosen = next((one for one in arguments if _named(one) in ("", "transport") and not one.star), None)
        if chosen is not None and not isinstance(chosen.value, libcst.SimpleString):
            self._report(original, f"`{_code(chosen.value)}` of `run`: the transport `http` is `streamable-http` here")
        return updated.with_changes(args=self._kept(original, arguments, RUN_RULES, "run"))

    def _call_of_context(self, method: str, original: libcst.Call, updated: libcst.Call) -> libcst.Call:
        if method == "elicit":
            return self._elicit(original, updated)
        if method in ("log", "debug", "info", "warning", "error"):
            if "extra" in map(_named, updated.args):
                self._report(original, f"`extra=` of `{method}` is taken out: put it into the message", by_hand=False)
            if method == "log":
                return _log(updated)
            return updated.with_changes(args=_renamed(_without(updated.args, {"extra"}), {"message": "data"}))
        return updated

    def _elicit(self, original: libcst.Call, updated: libcst.Call) -> libcst.Call:
        arguments = _renamed(updated.args, {"response_type": "schema"})
        positional = [one for one in arguments if one.keyword is None]
        asked = next((one for one in arguments if _named(one) == "schema"), positional[1] if positional[1:] else None)
        if asked is None or not self._is_model(asked.value):
            what = "without a type" if asked is None else f"for `{_code(asked.value)}`"
            self._report(original, f"`elicit` {what}: {MODEL_OF_ANSWER}")
        texts = {"response_title", "response_description"} & {_named(argument) for argument in arguments}
        if texts:
            self._report(
                original, f"`{'`, `'.join(sorted(texts))}` of `elicit`: `Field(title=, description=)` has them"
            )
        return updated.with_changes(args=_without(arguments, texts))

    def _is_model(self, node: libcst.BaseExpression) -> bool:
        """Whether it can be a pydantic model: a name that is not known as another type."""
        return isinstance(node, libcst.Name | libcst.Attribute) and dotted(node) not in self._names.no_models

    # Statements

    def visit_ClassDef(self, node: libcst.ClassDef) -> None:  # noqa: N802
        if any(self._is_server_class(base.value) for base in node.bases):
            told = "a class of its own: `self` and `super().__init__` in it are those of TaskServer"
            self._report(node.name, f"`{node.name.value}`: {told}")

    def visit_SimpleStatementLine(self, node: libcst.SimpleStatementLine) -> bool:  # noqa: N802
        return not self._is_extension(node)

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: libcst.SimpleStatementLine, updated_node: libcst.SimpleStatementLine
    ) -> libcst.SimpleStatementLine | libcst.RemovalSentinel:
        """Take out `mcp.add_extension(TasksExtension())`."""
        return libcst.RemoveFromParent() if self._is_extension(original_node) else updated_node

    def _is_extension(self, line: libcst.SimpleStatementLine) -> bool:
        statement = line.body[0]
        call = statement.value if isinstance(statement, libcst.Expr) and len(line.body) == 1 else None
        if not isinstance(call, libcst.Call) or not isinstance(call.func, libcst.Attribute):
            return False
        if call.func.attr.value != "add_extension" or not self._names.is_server(call.func.value) or not call.args:
            return False
        extension = call.args[0].value
        return isinstance(extension, libcst.Call) and dotted(extension.func).rpartition(".")[2] == "TasksExtension"

    # Shared

    def _is_server_class(self, node: libcst.BaseExpression) -> bool:
        made = self._names.counterpart(node)
        return made is not None and made.name == SERVER_CLASS

    def _kept(
        self, call: libcst.Call, arguments: Sequence[libcst.Arg], rules: ArgumentRules, owner: str
    ) -> Sequence[libcst.Arg]:
        """The arguments without those that have no counterpart; these are told, and those that are not known."""
        for argument in arguments:
            name = _named(argument)
            if name in rules.removed:
                told = f": {rules.removed[name]}" if rules.removed[name] else ""
                self._report(call, f"`{name}=` of `{owner}` is taken out{told}", by_hand=name not in rules.harmless)
            elif argument.star:
                self._report(call, f"`{argument.star}{_code(argument.value)}` of `{owner}`: look at what is in it")
            elif name and name not in rules.kept:
                self._report(call, f"`{name}=` of `{owner}`: TaskServer does not take it")
        return _without(arguments, set(rules.removed))

    def _report(self, node: libcst.CSTNode, text: str, *, by_hand: bool = True) -> None:
        line = self.get_metadata(PositionProvider, node).start.line
        self.findings.add(MigrationFinding(line, text, by_hand))


_EQUAL = libcst.AssignEqual(libcst.SimpleWhitespace(""), libcst.SimpleWhitespace(""))


def _code(node: libcst.CSTNode) -> str:
    return libcst.Module([]).code_for_node(node)


def _named(argument: libcst.Arg) -> str:
    """An argument's keyword; empty if it has none."""
    return "" if argument.keyword is None else argument.keyword.value


def _keyword(name: str, argument: libcst.Arg) -> libcst.Arg:
    return argument.with_changes(keyword=libcst.Name(name), equal=_EQUAL)


def _renamed(arguments: Iterable[libcst.Arg], names: Mapping[str, str]) -> list[libcst.Arg]:
    return [
        argument.with_changes(keyword=libcst.Name(names[_named(argument)])) if _named(argument) in names else argument
        for argument in arguments
    ]


def _without(arguments: Sequence[libcst.Arg], names: set[str]) -> Sequence[libcst.Arg]:
    kept = [argument for argument in arguments if _named(argument) not in names]
    if len(kept) == len(arguments):
        return arguments
    if kept and kept[-1] is not arguments[-1]:
        # The bracket stays where it was.
        end = arguments[-1]
        kept[-1] = kept[-1].with_changes(comma=end.comma, whitespace_after_arg=end.whitespace_after_arg)
    return _tidy(kept)


def _tidy(arguments: Sequence[libcst.Arg]) -> Sequence[libcst.Arg]:
    """The arguments with a comma between any two, and none that an argument has left behind."""
    if not arguments:
        return []
    spaced = libcst.Comma(whitespace_after=libcst.SimpleWhitespace(" "))
    between = [one if isinstance(one.comma, libcst.Comma) else one.with_changes(comma=spaced) for one in arguments[:-1]]
    last = arguments[-1]
    on_its_own_line = isinstance(last.comma, libcst.Comma) and isinstance(
        last.comma.whitespace_after, libcst.ParenthesizedWhitespace
    )
    return [*between, last if on_its_own_line else _last(last)]


def _last(argument: libcst.Arg) -> libcst.Arg:
    return argument.with_changes(comma=libcst.MaybeSentinel.DEFAULT, whitespace_after_arg=libcst.SimpleWhitespace(""))


def _http(argument: libcst.Arg) -> libcst.Arg:
    """The transport by the SDK's name."""
    value = argument.value
    if _named(argument) not in ("", "transport") or not isinstance(value, libcst.SimpleString):
        return argument
    if value.evaluated_value != "http":
        return argument
    return argument.with_changes(value=value.with_changes(value=f"{value.quote}streamable-http{value.quote}"))


def _log(call: libcst.Call) -> libcst.Call:
    """FastMCP's `log(message, level=)` as the SDK's `log(level, data)`."""
    plain = [argument for argument in call.args if not _named(argument)]
    named = {_named(argument): argument.value for argument in call.args if _named(argument)}
    message = plain[0].value if plain else named.pop("message", None)
    level = plain[1].value if plain[1:] else named.pop("level", libcst.SimpleString('"info"'))
    if message is None:
        return call
    rest = [libcst.Arg(value, keyword=libcst.Name(name), equal=_EQUAL) for name, value in named.items()]
    kept = [one for one in rest if _named(one) == "logger_name"]
    return call.with_changes(args=_tidy([libcst.Arg(level), libcst.Arg(message), *kept]))
