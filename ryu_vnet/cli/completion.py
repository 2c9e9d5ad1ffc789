"""The command that prints what makes a shell complete `vnet`, and how the shells and it speak with each other.

That is click's protocol, with two things more: words that bash has cut in pieces at `:` and `=` are one word again, as
`host1:vnet0` is, and behind what is not whole yet, as `red/` is, no space is set.
"""

from __future__ import annotations

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from .session import Command

PROGRAM = "vnet"
VARIABLE = "_VNET_COMPLETE"
"""The variable of the environment in which click expects what a shell asks for, from the name of the program."""
_SEPARATORS = {":", "="}
"""Where bash cuts words (COMP_WORDBREAKS, unless somebody has changed it), among what our words have in them."""

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read -r type value <<<"$completion"
        case $type in
        dir) compopt -o dirnames 2>/dev/null ;;
        file) compopt -o default 2>/dev/null ;;
        open)
            COMPREPLY+=("$value")
            compopt -o nospace 2>/dev/null
            ;;
        plain) COMPREPLY+=("$value") ;;
        esac
    done
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a whole described unfinished response
    local type key about
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for type key about in ${response}; do
        case $type in
        dir) _path_files -/ ;;
        file) _path_files -f ;;
        open) unfinished+=("$key") ;;
        plain) [[ $about == _ ]] && whole+=("$key") || described+=("$key:$about") ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#whole )) && compadd -U -V unsorted -a whole
    (( $#unfinished )) && compadd -U -S '' -V unsorted -a unfinished
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""


class _WholeWords(ShellComplete):
    """Puts words together that a shell has cut, and cuts what is offered as it did: of `host1:vn` bash knows `vn`."""

    typed = ""
    """What click is to complete, and the shell may know the end of alone."""
    known = 0
    """How many characters of what is typed the shell replaces."""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, last = super().get_completion_args()
        words: list[str] = []
        glued = False
        for word in (*args, last):
            separates = word != "" and set(word) <= _SEPARATORS
            if words and (separates or glued):
                words[-1] += word
            else:
                words.append(word)
            glued = separates
        self.typed = words[-1]
        # Where the last thing is such a character, the shell is behind it.
        self.known = 0 if glued else len(last)
        return words[:-1], self.typed

    def for_shell(self, item: CompletionItem[str]) -> CompletionItem[str]:
        """An item with as much of it as the shell replaces."""
        option, equals, _ = self.typed.partition("=")
        # `--at=host1` is an option and its value, of which click completes the value alone.
        head = f"{option}{equals}" if equals and option.startswith("-") else ""
        whole = f"{head}{item.value}"
        return CompletionItem(whole[len(self.typed) - self.known :], item.type, item.help)


class _Bash(_WholeWords, BashComplete):
    source_template = _BASH

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(self.for_shell(item))


class _Zsh(_WholeWords, ZshComplete):
    source_template = _ZSH

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(self.for_shell(item))


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh}


def install(main: click.Group) -> None:
    """Add the command, and have click speak with the shells so."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)
    main.add_command(completion)


@click.command(
    "completion",
    cls=Command,
    examples=(
        "source <(vnet completion bash)          in ~/.bashrc",
        "source <(vnet completion zsh)           in ~/.zshrc, after compinit",
        "vnet completion bash > /etc/bash_completion.d/vnet",
    ),
)
@click.argument("shell", type=click.Choice([*SHELLS]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that makes a shell complete commands, options, files, and the names that the controller has:
    tenants, networks, nodes and their interfaces, switches and their ports.

    Names come from the controller that --url, VNET_URL and VNET_TOKEN say. Where it does not answer within half a
    second, there are none.
    """
    click.echo(SHELLS[shell](context.find_root().command, {}, PROGRAM, VARIABLE).source(), nl=False)
