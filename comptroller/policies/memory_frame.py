"""The frame of `memories`: who may write and read a store, what may be written, and how long it lives."""

from typing import Literal

from pydantic import Field

from comptroller.policies.frame import Ask, Duration, Frame, Glob, Globs, GuardAction


class Writing(Frame):
    """Who may write, and what becomes of a write that untrusted text had a hand in."""

    agents: Globs = Field(default_factory=lambda: ["*"])
    when_tainted: Literal["deny", "ask", "note", "allow"] = "deny"
    ask: Ask | None = None


class Reading(Frame):
    """Who may read, and what a read brings into a run."""

    agents: Globs = Field(default_factory=lambda: ["*"])
    returns: Literal["trusted", "as_written", "untrusted"] = "as_written"


class Through(Frame):
    """Tools that are a way to this memory: of an agent's own, or of an MCP server."""

    write: list[Glob] = Field(default_factory=list)
    read: list[Glob] = Field(default_factory=list)
    delete: list[Glob] = Field(default_factory=list)


class Memory(Frame):
    """What holds for one store, or for all that a pattern names."""

    write: Writing = Writing()
    read: Reading = Reading()
    keep: Duration | None = None
    share: Literal["run", "agent", "customer", "tenant"] | None = None
    unstamped: Literal["leave_out", "read"] | None = None
    secrets: GuardAction | None = None
    privacy: GuardAction | None = None
    tools: Through | None = None
