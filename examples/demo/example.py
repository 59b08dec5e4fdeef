"""The examples that the demo can show."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from examples.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from examples.demo.chapters import Story
    from examples.demo.client import Client
    from examples.demo.place import Place
    from examples.demo.screen import Screen

__all__ = ["EXAMPLES", "Example", "example_named"]

_EXAMPLES: Final = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A service to deploy, and its story.

    Attributes:
        name: Its folder in `examples`.
        title: What it is.
        stack: Name of its stack.
        app: Its CDK app, relative to the repository.
        code: The root of its functions' code.
        tables: Where its SQL tables are, for people.
        path: Path that ``curl`` lists.
        create: Path and body of a request that makes something.
        roles: Roles of the user, in their tenant.
    """

    name: str
    title: str
    stack: str
    app: str
    code: Path
    tables: str
    path: str
    create: tuple[str, str]
    roles: tuple[str, ...] = ()

    def create_tables(self, url: str) -> None:
        """Create its SQL tables; its code has to be importable."""
        import_module(f"{self.name}.database").create_tables(url)

    @property
    def tell(self) -> Callable[[Screen, Client, Place], Story]:
        """Its story."""
        told: Callable[[Screen, Client, Place], Story] = import_module(
            f"examples.demo.{self.name}.story"
        ).tell
        return told


EXAMPLES: Final = {
    example.name: example
    for example in (
        Example(
            name="todo",
            title="A CQRS service, on an AWS of your own",
            stack="Todo",
            app="app.py",
            code=_EXAMPLES / "todo",
            tables="with the table todo",
            path="/todos",
            create=("/todos", '{"attributes": {"title": "Try it"}}'),
        ),
        Example(
            name="blog",
            title="An event-sourced service, on an AWS of your own",
            stack="Blog",
            app="examples/blog/app.py",
            code=_EXAMPLES / "blog" / "service",
            tables="with the tables author and post",
            path="/posts",
            create=("/users/bob/register-user", '{"name": "Bob"}'),
        ),
        Example(
            name="product",
            title="A service with numbers, tenants and masters, on an AWS of your own",
            stack="Product",
            app="examples/product/app.py",
            code=_EXAMPLES / "product" / "service",
            tables="with the table product",
            path="/orders",
            create=("/orders", '{"lines": [{"product": "hammer", "quantity": 1}]}'),
            roles=("dispatcher", "master_admin"),
        ),
    )
}


def example_named(name: str) -> Example:
    """The example of this name.

    Raises:
        DemoError: There is none.
    """
    if name not in EXAMPLES:
        msg = f"EXAMPLE must be one of {', '.join(EXAMPLES)}, got {name!r}"
        raise DemoError(msg)
    return EXAMPLES[name]
