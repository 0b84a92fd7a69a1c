"""`hallmark up`, `down` and `status`: the whole stack on this machine."""

from pathlib import Path

import click


@click.command()
def up() -> None:
    """Start the whole stack here: Prefect with a worker, MLflow, the service, an overview page.

    Waits until all are healthy and prints the links. Everything listens on 127.0.0.1 only; what
    dies is started again. A second `up` starts nothing. Logs: .local/stack/. Prefect's pages ask
    for the password that is in .local/prefect/secret. HALLMARK_ALLOWED_HOSTS names the hosts of a
    proxy before it; docs/security.md says who can reach what.

    \b
    Ports, each to be changed in the environment:
      HALLMARK_PAGE_PORT 4300     HALLMARK_PREFECT_PORT 4200   HALLMARK_WORKER_PORT 4201
      HALLMARK_MLFLOW_PORT 5001   HALLMARK_SERVICE_PORT 3000 (the next ones for more projects)
    \b
    Examples:
      hallmark up
      HALLMARK_PREFECT_PORT=4242 hallmark up
    """
    from flows.engine.checkout import find_root
    from flows.server.own_server import secret_file
    from flows.stack.start import up as start

    root = find_root(Path.cwd())
    wanted = start(root, click.echo)
    click.echo("")
    links = sorted(
        (part.link for part in wanted if part.link), key=lambda link: link[0] != "overview"
    )
    for words, url in links:
        click.echo(f"  {url:<24} {words}")
    click.echo(f"  Prefect's pages ask for a password; it is in {secret_file(root)}")
    click.echo("`hallmark status` says how it is, `hallmark down` ends it")


@click.command()
def down() -> None:
    """End the stack, and only it. What it has stored stays.

    A build that its worker runs is ended with it; its training goes on from its checkpoint when
    it is started again.

    \b
    Example:
      hallmark down
    """
    from flows.engine.checkout import find_root
    from flows.stack.start import down as stop

    ended = stop(find_root(Path.cwd()))
    click.echo(f"ended: {', '.join(ended)}" if ended else "nothing ran")


@click.command()
def status() -> None:
    """Say of each process of the stack whether it is healthy. Exit code 0 when all are, else 1.

    \b
    Example:
      hallmark status
    """
    from flows.engine.checkout import find_root
    from flows.stack.processes import how_it_is, is_supervised, is_well, running_parts, state

    root = find_root(Path.cwd())
    content = state(root)
    if content is None:
        click.echo("the stack does not run; `hallmark up` starts it")
        raise SystemExit(1)
    supervised = is_supervised(content)
    if not supervised:
        click.echo("its supervisor is gone: nothing that dies is started again; `hallmark up` does")
    all_well = supervised
    for part in running_parts(content):
        found = how_it_is(root, content, part)
        all_well = all_well and is_well(found)
        often = content["processes"][part.name]["num_restarts"]
        restarts = f", started again {often} times" if often else ""
        click.echo(f"{part.name:<16} {found}{restarts}  {part.url or ''}".rstrip())
    raise SystemExit(0 if all_well else 1)
